"""The program with all its commands."""

import typer

from gateway.cli import (
    archive,
    audit,
    audit_package,
    backup,
    clients,
    discover,
    doctor,
    export,
    locks,
    logs,
    mount,
    notify,
    outages,
    pins,
    pool,
    qr,
    receipts,
    reconcile,
    serve,
    setup,
    simulator,
    support,
    swap,
    token,
    tse,
    verify,
)

app = typer.Typer(
    name="tse-gateway",
    help="Serve USB TSEs to the network by the LAN-TSE protocol, and administer them.",
    epilog="Exit status: 0 done, 1 failed or refused, 2 wrong usage; "
    "verify, reconcile, doctor: 0 in order, 1 warnings, 2 errors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},  # an example is a line to copy
)
for subject in (
    serve,
    tse,
    setup,
    clients,
    locks,
    token,
    pins,
    pool,
    export,
    archive,
    verify,
    reconcile,
    receipts,
    qr,
    outages,
    audit,
    backup,
    audit_package,
    notify,
    swap,
    mount,
    discover,
    doctor,
    logs,
    support,
    simulator,
):
    subject.add_to(app)
