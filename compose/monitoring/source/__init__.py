"""The dashboards as code. `python -m compose.monitoring.source` writes the JSON files anew."""
