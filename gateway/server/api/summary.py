"""What is known of a TSE without asking it, for programs and people."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.tse.info import Lifecycle, TseInfo

if TYPE_CHECKING:
    from gateway.fleet.device import Device

_FAR_FUTURE = 2**34  # Unix seconds; a certificate field that holds nonsense must not break the answer


def summary(device: "Device") -> dict[str, object]:
    """One flat object; durations in seconds, moments in ISO 8601."""
    return {
        "serial": device.serial,
        "place": device.place,
        "attached": device.attached,
        "state": "failed" if device.failed.is_set() else "ready",
        "reason": device.reason,
        "held_seconds": device.held_seconds,
        "waiting_clients": device.waiting_clients,
        "read_at": device.info_read_at.isoformat(timespec="seconds"),
        **_told_by(device.info),
    }


def _told_by(info: TseInfo) -> dict[str, object]:
    known = info.lifecycle in set(Lifecycle)
    return {
        "lifecycle": Lifecycle(info.lifecycle).name.lower() if known else "unknown",
        "description": info.description,
        "form_factor": info.form_factor,
        "software_version": info.software,
        "valid_time": info.valid_time,
        "self_test_passed": info.self_test_passed,
        "self_test_due_seconds": info.self_test_due_seconds,
        "ctss_active": info.ctss_active,
        "open_transactions": info.open_transactions,
        "registered_clients": info.registered_clients,
        "max_registered_clients": info.max_registered_clients,
        "created_signatures": info.created_signatures,
        "remaining_signatures": info.remaining_signatures,
        "used_blocks": info.used_blocks,
        "capacity_blocks": info.capacity_blocks,
        "certificate_expires": datetime.fromtimestamp(min(info.certificate_expires, _FAR_FUTURE), UTC).isoformat(),
    }
