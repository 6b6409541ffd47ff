"""All pages, in the order of the navigation. A new page is named here; tests/server/pages tries each with each role."""

from gateway.server.pages import (
    audit_package,
    certificate,
    doctor,
    exports,
    log,
    maintenance,
    masterdata,
    notifications,
    outages,
    pins,
    receipts,
    replacement,
    settings,
    setup,
    tills,
    tokens,
)
from gateway.server.pages.page import Page

PAGES: tuple[Page, ...] = (
    tills.PAGE,
    receipts.PAGE,
    exports.PAGE,
    audit_package.PAGE,
    outages.PAGE,
    masterdata.PAGE,
    maintenance.PAGE,
    pins.PAGE,
    setup.PAGE,
    replacement.PAGE,
    tokens.PAGE,
    certificate.PAGE,
    notifications.PAGE,
    settings.PAGE,
    doctor.PAGE,
    log.PAGE,
)
