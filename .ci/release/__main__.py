"""All that a release consists of, built from the last commit and published from there.

    python3 .ci/release build DIRECTORY [--registry NAME]
    python3 .ci/release publish DIRECTORY [--key KEY] [--insecure]

`build` publishes nothing. It needs root, mmdebstrap and buildah, and for the other architecture qemu-user-static with
binfmt-support. NAME is where `publish` will put image and chart; the files for administrators name both by digest.
The same commit, base image and Debian packages give the same files, byte for byte.

`publish` needs skopeo and cosign, both as in Debian 13, logged in to the registry. It pushes image and chart, and signs
them and SHA256SUMS: with KEY of `cosign generate-key-pair`, or without one by whom an identity provider says we are,
which is how the workflow signs. --insecure is for a registry without TLS.
"""

import argparse
from pathlib import Path

from build import ARCHITECTURES, SUITES, Build
from publish import Publication


def main() -> None:
    """Do what was asked for."""
    asked = argparse.ArgumentParser(prog="python3 .ci/release", description="build or publish a release")
    commands = asked.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build everything into an empty directory")
    build.add_argument("directory", type=Path)
    build.add_argument("--registry", default="registry.example", help="registry, and its folder for image and chart")
    build.add_argument("--base", help="of the image instead of that of the Dockerfile; ARCH in it is the architecture")
    build.add_argument("--architectures", nargs="+", default=ARCHITECTURES, choices=ARCHITECTURES)
    build.add_argument("--suites", nargs="*", default=list(SUITES), choices=list(SUITES), help="of the Debian packages")
    publish = commands.add_parser("publish", help="push what was built")
    publish.add_argument("directory", type=Path)
    publish.add_argument("--key", type=Path, help="of cosign")
    publish.add_argument("--insecure", action="store_true")
    given = asked.parse_args()
    if given.command == "build":
        Build(given.directory, given.registry, given.base, given.architectures, given.suites).everything()
    else:
        Publication(given.directory, given.key, insecure=given.insecure).everything()


main()
