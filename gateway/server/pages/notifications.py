"""Mails and webhook calls about what needs attention: whether they are set up, and a test message."""

from gateway.access.caller import OPERATORS
from gateway.i18n.text import Text
from gateway.server.api.notifications import NotificationTest, send_test_notification
from gateway.server.api.routes import endpoint_of
from gateway.server.pages.forms import Form
from gateway.server.pages.page import Content, Page, PageView
from gateway.server.status_page.html import HtmlElement, el

_TITLE = Text("Notifications", "Benachrichtigungen")
_STATE = Text("Who is told when something needs attention", "Wer benachrichtigt wird, wenn etwas zu tun ist")
_MAIL, _WEBHOOK = Text("Mail", "Mail"), Text("Webhook", "Webhook")
_NOBODY = Text("not set up ({setting})", "nicht eingerichtet ({setting})")
_CHANNELS = {"mail": _MAIL, "webhook": _WEBHOOK}
_SENT = Text("{channel}: sent", "{channel}: gesendet")
_FAILED = Text("{channel}: not sent, {error}", "{channel}: nicht gesendet, {error}")
TEST = Form(
    endpoint_of(send_test_notification),
    Text("Send a test message", "Testnachricht senden"),
    Text("Send it now", "Jetzt senden"),
    Text("Tried:", "Versucht:"),
)


async def _content(view: PageView) -> Content:
    settings = view.site.settings
    mail = ", ".join(settings.notify_mail_to) or view.text(_NOBODY, setting="GATEWAY_NOTIFY_MAIL_TO")
    webhook = settings.notify_webhook_url or view.text(_NOBODY, setting="GATEWAY_NOTIFY_WEBHOOK_URL")
    return (
        view.card("state", _STATE, view.rows([(_MAIL, mail), (_WEBHOOK, webhook)])),
        view.form(TEST, _results(view)),
    )


def _results(view: PageView) -> Content:
    answer = view.answer(TEST)
    if not isinstance(answer, NotificationTest):
        return ()
    lines: list[HtmlElement] = []
    for result in answer.results:
        text = _SENT if result.sent else _FAILED
        channel = view.text(_CHANNELS[result.channel])
        lines.append(el("li", view.text(text, channel=channel, error=result.error or "")))
    return (el("ul", *lines),)


PAGE = Page("notifications", _TITLE, OPERATORS, _content, (TEST,))
