"""The levels of Pod Security, as far as a pod of this chart can break them, as Kubernetes 1.29 and newer enforce them.

Source: kubernetes.io/docs/concepts/security/pod-security-standards
"""

from collections.abc import Iterator
from typing import Any

_ALLOWED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
}


def level(spec: dict[str, Any]) -> str:
    """Return the strictest level that admits a pod with this spec."""
    if any(_against_baseline(spec)):
        return "privileged"
    return "baseline" if any(_against_restricted(spec)) else "restricted"


def _against_baseline(spec: dict[str, Any]) -> Iterator[bool]:
    yield from (bool(spec.get(name)) for name in ("hostNetwork", "hostPID", "hostIPC"))
    yield from ("hostPath" in volume for volume in spec.get("volumes", []))
    for container in spec["containers"]:
        context = container.get("securityContext", {})
        yield bool(context.get("privileged"))
        yield bool(context.get("capabilities", {}).get("add"))
        yield from ("hostPort" in port for port in container.get("ports", []))


def _against_restricted(spec: dict[str, Any]) -> Iterator[bool]:
    pod = spec.get("securityContext", {})
    yield pod.get("runAsUser") == 0
    yield from (not set(volume) <= _ALLOWED_VOLUMES | {"name"} for volume in spec.get("volumes", []))
    for container in spec["containers"]:
        context = pod | container.get("securityContext", {})
        yield context.get("allowPrivilegeEscalation") is not False
        yield context.get("runAsNonRoot") is not True
        yield "ALL" not in context.get("capabilities", {}).get("drop", [])
        yield context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}
