"""The pages for developers under /docs."""
