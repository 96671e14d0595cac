"""Checks what `write_log` wrote, with securesystemslib (DSSE) and pymerkle (the tree).

    check.py DIRECTORY

Enters: the directory. Leaves: a line for each thing that was accepted. Refuses, with a traceback, the first that is
not: an envelope that the node did not sign, entries that give another root than a checkpoint has, a proof that does not
hold.
"""

import base64
import json
import sys
from pathlib import Path

from pymerkle import InclusionProof, InmemoryTree, verify_inclusion
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

WIDTH = 256


def main(directory):
    check_export(directory)
    check_trees(directory)


def check_export(directory):
    """The DSSE envelope verifies under the node's key, and its payload is the receipt without its signature."""
    public = (directory / "node.hex").read_text()
    envelope = Envelope.from_dict(json.loads((directory / "receipt.dsse.json").read_text()))
    (keyid,) = envelope.signatures
    if not keyid.endswith(public):
        raise ValueError(f"the envelope names the key {keyid}")
    key = SSlibKey(keyid, "ed25519", "ed25519", {"public": public})
    envelope.verify([key], 1)
    receipt = json.loads(envelope.payload)
    if receipt["type"] != "tenzik/receipt/v1" or receipt["node"] != keyid:
        raise ValueError("the payload is no receipt of the key's")
    if envelope.pae() != (directory / "raw/receipt.message").read_bytes():
        raise ValueError("the PAE is another than the one that was signed")
    print("securesystemslib: DSSE export of a receipt")


def check_trees(directory):
    """Entries give the root of each checkpoint, and our proof of inclusion verifies.

    Proofs of consistency are left to Go: pymerkle's have another layout than those of RFC 6962.
    """
    heads = dict(head(path) for path in directory.glob("checkpoint.*"))
    sizes = sorted(heads)
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries(directory, sizes[-1]):
        tree.append_entry(entry)
    for size in sizes:
        if tree.get_root(size) != heads[size]:
            raise ValueError(f"pymerkle has another root at size {size}")
    print("pymerkle: roots of", ", ".join(map(str, sizes)))
    check_inclusion(directory, tree, sizes[-1], heads[sizes[-1]])


def check_inclusion(directory, tree, size, root):
    """The proof file, whose leaf stands beside it."""
    lines = (directory / "leaf.tlog-proof").read_text().split("\n\n")[0].split("\n")
    index = int(lines[2].removeprefix("index "))
    path = [base64.b64decode(line, validate=True) for line in lines[3:]]
    leaf = tree.hash_buff((directory / "leaf").read_bytes())
    rule = tree.prove_inclusion(index + 1, size).rule
    proof = InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])
    verify_inclusion(leaf, root, proof, index + 1, size, "sha256")
    print(f"pymerkle: our proof of leaf {index} in {size}")


def head(path):
    """Size and root of a checkpoint. Its signature is for others to check."""
    _, size, root, *_ = path.read_text().split("\n")
    return int(size), base64.b64decode(root, validate=True)


def entries(directory, size):
    """The entries of a tree, from its bundles."""
    for first in range(0, size, WIDTH):
        index, width = first // WIDTH, min(WIDTH, size - first)
        name = f"{index % 1000:03}" + ("" if width == WIDTH else f".p/{width}")
        while index >= 1000:
            index //= 1000
            name = f"x{index % 1000:03}/{name}"
        rest = (directory / "tile/entries" / name).read_bytes()
        for _ in range(width):
            length = int.from_bytes(rest[:2], "big")
            yield rest[2 : 2 + length]
            rest = rest[2 + length :]
        if rest:
            raise ValueError(f"bytes after the entries of bundle {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
