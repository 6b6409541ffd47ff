"""What the JSON API gives for forms: the row of tse.csv (DSFinV-K), and the data for ELSTER."""

from datetime import datetime

from pydantic import Field

from gateway.server.api.responses import KEY_EXAMPLE, ApiResponse, CertifiedUntil, CheckDigits, FirmwareKnown, Serial
from gateway.server.api.schema import about

_CERTIFICATE_EXAMPLE = (
    "MIICfjCCAgSgAwIBAgIUUKYA3Z4HI7YNZR8WfS0/NQwon9EwCgYIKoZIzj0EAwMwSjELMAkGA1UEBhMCREUxHjAcBgNVBAoMFXRzZS1nYXRl"
    "d2F5IFNJTVVMQVRPUjEbMBkGA1UEAwwSVFNFIFNJTVVMQVRPUiBDQSAxMB4XDTI2MTEyOTA3MTg1OVoXDTMxMTEyOTA4MTg1OVowgZAxCzAJ"
    "BgNVBAYTAkRFMR4wHAYDVQQKDBV0c2UtZ2F0ZXdheSBTSU1VTEFUT1IxSTBHBgNVBAMMQGUxNWUyZWFkODlmYzllODQ1Nzg1YjJhMDNiNTMx"
    "YjQ1ZTMzN2EwNjRkZjZhMzE3NTU0ZThiNjE4YmY5MDZiY2YxFjAUBgNVBC4TDS0tU0lNVUxBVE9SLS0wejAUBgcqhkjOPQIBBgkrJAMDAggB"
    "AQsDYgAER+ng0oZqnhxAhDfedezy5LC1U5GttNCevgIi36iVL3Gv44uJsLNTMzo+g0TQa0AJB86km2tBYKxTpSx8UXAW/1wh1qY/od9fZChE"
    "poG3V4Qm+JobNw3cujRzNHZppPleo2AwXjAdBgNVHQ4EFgQUzQOlIxWfdNTdq6DeaplIo/WGvM8wHwYDVR0jBBgwFoAUZijhLkRxhQHzNT+o"
    "zh8Q/PsnMFswDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwCgYIKoZIzj0EAwMDaAAwZQIxAIh4WKNYSyikD6rBznI3gztzXdpU0+Bf"
    "oZW/wzAKoNLP+aNyAAmCXUzgIwU/WKyz7QIwKEjJA9UrEIQlkSZq/bO6N/4Sg4Rtphuq5tUwnNvbWzpCy0byYU36LBk92CzCNCsL"
)


class DsfinvkTse(ApiResponse):
    model_config = about("The columns of a row of tse.csv (DSFinV-K, Stamm_TSE) that the TSE decides.")

    TSE_SERIAL: Serial
    TSE_SIG_ALGO: str = Field(description="Algorithm of the signatures.", examples=["ecdsa-plain-SHA384"])
    TSE_ZEITFORMAT: str = Field(description="Format of the log times.", examples=["unixTime"])
    TSE_PD_ENCODING: str = Field(description="Encoding of the process data.", examples=["UTF-8"])
    TSE_PUBLIC_KEY: str = Field(description="Key of the TSE: the uncompressed point, base64.", examples=[KEY_EXAMPLE])
    TSE_ZERTIFIKAT_I: str = Field(
        description="Certificate of the TSE, base64: its first 1,000 characters.", examples=[_CERTIFICATE_EXAMPLE]
    )
    TSE_ZERTIFIKAT_II: str = Field(description="The next 1,000 characters; empty if there are none.", examples=[""])
    TSE_ZERTIFIKAT_III: str = Field(description="The next 1,000 characters; empty if there are none.", examples=[""])
    TSE_ZERTIFIKAT_IV: str = Field(description="The next 1,000 characters; empty if there are none.", examples=[""])
    TSE_ZERTIFIKAT_V: str = Field(description="The next 1,000 characters; empty if there are none.", examples=[""])
    TSE_ZERTIFIKAT_VI: str = Field(description="The next 1,000 characters; empty if there are none.", examples=[""])
    TSE_ZERTIFIKAT_VII: str = Field(description="The next 1,000 characters; empty if there are none.", examples=[""])


class ElsterData(ApiResponse):
    model_config = about("What the notification of the tax office by ELSTER asks about a TSE (§ 146a (4) AO).")

    tse_serial: Serial
    serial_check_digits: CheckDigits
    certification_id: str | None = Field(
        description="BSI-K-TR-nnnn-yyyy; null if the TSE names none.", examples=["BSI-K-TR-0000-2026"]
    )
    product_certified_until: CertifiedUntil
    firmware_known: FirmwareKnown
    description: str = Field(description="How the TSE describes itself.", examples=["BSI-K-TR-0000-2026 SIMULATOR"])
    form_factor: str = Field(description="Form of the TSE.", examples=["USB"])
    software_version: str = Field(description="Version of its firmware.", examples=["1.1.0"])
    lifecycle: str = Field(
        description="uninitialized, initialized, decommissioned, or unknown.", examples=["initialized"]
    )
    certificate_valid_from: datetime = Field(description="Begin of its certificate.", examples=["2026-11-29T07:18:59Z"])
    certificate_valid_until: datetime = Field(description="End of its certificate.", examples=["2031-11-29T08:18:59Z"])
    certificate_serial_number: str = Field(
        description="Number of its certificate, hex.", examples=["50A600DD9E0723B60D651F167D2D3F350C289FD1"]
    )
    in_service_since: datetime | None = Field(
        description="When it signed for the first time; null once stored data were deleted, or while it is busy.",
        examples=["2026-09-21T14:13:20Z"],
    )
