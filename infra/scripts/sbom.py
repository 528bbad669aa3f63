#!/usr/bin/env python3
"""Writes what ships as a CycloneDX 1.5 bill of materials.

usage: infra/scripts/sbom.py FILE

What ships is what `cargo tree` says of fleet-workers without its default
features: no development dependencies, no embedded SQS. Licences come from
`cargo metadata`, checksums from Cargo.lock. The same sources give the same
bytes: nothing in it is made up at the time.
"""
import json
import os
import subprocess
import sys
import tomllib
import uuid

PACKAGE = "fleet-workers"
CARGO = os.environ.get("CARGO", "cargo")


def cargo(*arguments):
    done = subprocess.run([CARGO, *arguments, "--locked"], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def tree():
    """Returns the packages as (name, version), the program first, and who uses whom."""
    lines = cargo(
        "tree", "--package", PACKAGE, "--no-default-features", "--edges", "normal",
        "--prefix", "depth", "--format", " {p}",
    ).splitlines()
    packages, uses, above = {}, {}, []
    for line in lines:
        depth, name, version, *_ = line.split()
        package = (name, version.removeprefix("v"))
        packages.setdefault(package)
        uses.setdefault(package, {})
        del above[int(depth):]
        if above:
            uses[above[-1]].setdefault(package)
        above.append(package)
    return list(packages), uses


def reference(package):
    return "pkg:cargo/{}@{}".format(*package)


def component(package, known, checksums):
    """Describes a package, as far as its manifest does."""
    manifest = known[package]
    entry = {
        "type": "application" if package[0] == PACKAGE else "library",
        "bom-ref": reference(package),
        "name": package[0],
        "version": package[1],
        "scope": "required",
        "purl": reference(package),
    }
    if manifest["description"]:
        entry["description"] = " ".join(manifest["description"].split())
    if package in checksums:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksums[package]}]
    if manifest["license"]:
        # Cargo took a slash for "or" before it knew SPDX.
        entry["licenses"] = [{"expression": manifest["license"].replace("/", " OR ")}]
    if manifest["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": manifest["repository"]}]
    return entry


def main(file):
    packages, uses = tree()
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    known = {(one["name"], one["version"]): one for one in metadata["packages"]}
    with open("Cargo.lock", "rb") as lock:
        locked = tomllib.load(lock)["package"]
    checksums = {(p["name"], p["version"]): p["checksum"] for p in locked if "checksum" in p}
    program, *libraries = (component(package, known, checksums) for package in packages)
    del program["scope"]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": program},
        "components": sorted(libraries, key=lambda one: one["bom-ref"]),
        "dependencies": [
            {"ref": reference(package), "dependsOn": sorted(map(reference, uses[package]))}
            for package in sorted(packages)
        ],
    }
    # The same bill has the same number.
    content = json.dumps(bill, sort_keys=True)
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w", encoding="utf-8") as out:
        json.dump(bill, out, indent=2, ensure_ascii=False)
        out.write("\n")
    print(f"{file}: {len(packages)} packages")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
