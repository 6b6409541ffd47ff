"""Mails and webhook calls about what needs attention: each problem once, and once more when it is gone."""
