"""The socket that a simulated TSE is plugged into: a driver may let go of it, the TSE lives on."""

from gateway.simulator.device import SimulatedTse


class Socket:
    """One handle to a simulated TSE; by shape a `gateway.driver.protocols.BlockTransport`."""

    def __init__(self, tse: SimulatedTse) -> None:
        self.read_info = tse.read_info
        self.read_window = tse.read_window
        self.write_window = tse.write_window
        self.read_store = tse.read_store
        self.write_store = tse.write_store

    def close(self) -> None:
        """Nothing to give back."""
