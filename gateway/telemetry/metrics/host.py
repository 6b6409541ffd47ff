"""The clock that TSEs are set by, and which gateway this is."""

from gateway import __version__
from gateway.telemetry.metrics.series import Series


class HostMetrics:
    """Series of this host."""

    def __init__(self, make: Series) -> None:
        make.gauge("tse_gateway_build_info", "1; the version is in the label", "version").labels(__version__).set(1)
        self._clock_fit = make.gauge("tse_gateway_clock_fit", "1 if TSEs may be given our time", "source")
        self._clock_offset = make.gauge("tse_gateway_clock_offset_seconds", "What our clock lacks; NaN if unknown")
        self._clock_offset.set(float("nan"))
        self._source: str | None = None
        self._state_writable = make.gauge(
            "tse_gateway_state_writable", "1 unless the state directory could not be written when last tried"
        )
        self._state_writable.set(1)

    def state_writable(self, writable: bool) -> None:
        """Tell whether the state directory can be written."""
        self._state_writable.set(writable)

    def clock(self, fit: bool, source: str, offset: float | None) -> None:
        """Show whether TSEs may be given our time; `offset` in seconds, if it is known."""
        self._clock_fit.labels(source).set(fit)
        if self._source not in {None, source}:
            self._clock_fit.remove(self._source)
        self._source = source
        self._clock_offset.set(float("nan") if offset is None else offset)
