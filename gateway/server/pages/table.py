"""All pages, in the order of the navigation. A new page is named here; tests/server/pages tries each with each role."""

from gateway.server.pages import maintenance, pins, replacement, setup, tills, tokens
from gateway.server.pages.page import Page

PAGES: tuple[Page, ...] = (tills.PAGE, maintenance.PAGE, pins.PAGE, setup.PAGE, replacement.PAGE, tokens.PAGE)
