"""Writes tests/vectors/host/*.json. No code of Tenzik runs here: digests come from hashlib, hmac and the PyPI package
`blake3`, base64 from base64, number text from `node`, ChaCha20 and JSON paths from the few lines below, and prices from
the table in docs/abi.md, copied by hand.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install blake3
    /tmp/venv/bin/python tests/vectors/generate_host.py
"""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import subprocess

import blake3

OUT = pathlib.Path(__file__).parent / "host"
PAGE = 65536
FILES = {}



def number_price(size, characters):
    """What json_num and num_parse pay for a number of so many bytes, which are so many characters."""
    return 100 + 8 * size + (4_000 if characters > 19 else 0)


def case(file, name, call, fuel, **more):
    """One case. `call` is the function's name and its arguments; `extra_fuel` is what a walk costs on top of `fuel`."""
    fuel += more.pop("extra_fuel", 0)
    FILES.setdefault(file, []).append({"name": name, "call": call, "fuel": fuel, **more})


def write(file, about):
    rows = ",\n".join("    " + json.dumps(row, ensure_ascii=True) for row in FILES[file])
    text = '{\n  "about": %s,\n  "cases": [\n%s\n  ]\n}\n' % (json.dumps(about), rows)
    (OUT / f"{file}.json").write_text(text)


def at(place, text=None, hex=None, repeat=None):
    blob = {"at": place}
    if text is not None:
        blob["text"] = text
    if hex is not None:
        blob["hex"] = hex
    if repeat is not None:
        blob["repeat"] = repeat
    return blob


def bits(number):
    return struct.pack(">d", number).hex()


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def ecmascript(numbers):
    """Number::toString, by V8, from the bits."""
    script = """
      const rows = JSON.parse(process.argv[1]);
      console.log(JSON.stringify(rows.map((hex) => {
        const view = new DataView(new ArrayBuffer(8));
        view.setBigUint64(0, BigInt("0x" + hex));
        return String(view.getFloat64(0));
      })));"""
    out = subprocess.run(["node", "-e", script, json.dumps(numbers)], capture_output=True, check=True, text=True)
    return json.loads(out.stdout)


def pattern(count):
    """The input of BLAKE3's own vectors: 0 to 250, over and over."""
    return bytes(i % 251 for i in range(count))


# --- hash -------------------------------------------------------------------------------------------------------------

def hashes():
    f = "hash"
    for count in [0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 2048, 3072, 8192, 31744]:
        data = pattern(count)
        repeat = [pattern(251).hex(), count // 251 + 1]
        case(f, f"blake3 of {count} bytes", ["hash_commit", 0, count], 500 + 4 * count,
             memory=[at(0, repeat=repeat)], value=64, result={"text": blake3.blake3(data).hexdigest()})
    fips = [("", 1), ("abc", 1), ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1),
            ("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1),
            ("a", 60000)]
    for unit, times in fips:
        data = unit.encode() * times
        memory = [at(0, repeat=[unit.encode().hex(), times])] if data else []
        case(f, f"sha-256 of {len(data)} bytes", ["hash_sha256", 0, len(data)], 500 + 16 * len(data),
             memory=memory, value=64, result={"text": hashlib.sha256(data).hexdigest()})
    case(f, "digits come as utf-16 in a utf-16 capsule", ["hash_sha256", 1, 3], 500 + 16 * 3, text=16,
         memory=[at(1, hex="616263")], value=64, result={"text": hashlib.sha256(b"abc").hexdigest()})
    # RFC 4231, test cases 1 to 4, 6 and 7 (5 is about truncation).
    rfc4231 = [("0b" * 20, b"Hi There".hex()), (b"Jefe".hex(), b"what do ya want for nothing?".hex()),
               ("aa" * 20, "dd" * 50), (bytes(range(1, 26)).hex(), "cd" * 50),
               ("aa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First".hex()),
               ("aa" * 131, b"This is a test using a larger than block-size key and a larger than block-size data. "
                            b"The key needs to be hashed before being used by the HMAC algorithm.".hex()),
               ("", ""), ("00", ""), ("aa" * 64, "61"), ("aa" * 65, "61")]
    for i, (key, data) in enumerate(rfc4231):
        k, d = bytes.fromhex(key), bytes.fromhex(data)
        case(f, f"hmac-sha-256, {i + 1}: key of {len(k)}, data of {len(d)} bytes", ["hmac_sha256", 0, len(k), 1024, len(d)],
             2000 + 16 * (len(k) + len(d)), memory=[at(0, hex=key), at(1024, hex=data)], value=64,
             result={"text": hmac.new(k, d, hashlib.sha256).hexdigest()})
    case(f, "hmac-sha-256 with one range as key and data", ["hmac_sha256", 0, 4, 0, 4], 2000 + 16 * 8, memory=[at(0, text="Jefe")],
         value=64, result={"text": hmac.new(b"Jefe", b"Jefe", hashlib.sha256).hexdigest()})
    digest = blake3.blake3(b"abc").hexdigest()
    for name, digits, value in [("right", digest, 1), ("upper case", digest.upper(), 0), ("other", "0" * 64, 0),
                                ("last digit other", digest[:63] + ("0" if digest[63] != "0" else "1"), 0),
                                ("no hex at all", "g" * 64, 0)]:
        for text in (8, 16):
            case(f, f"verify, utf-{text}: {name}", ["hash_verify", 0, 3, 100], 500 + 12, text=text,
                 memory=[at(0, hex="616263"), at(100, text=digits)], value=value)
    case(f, "verify leaves the result buffer alone", ["hash_verify", 0, 3, 100], 500 + 12, before=[["hash_sha256", 0, 3]],
         memory=[at(0, hex="616263"), at(100, text=digest)], value=1, result={"text": hashlib.sha256(b"abc").hexdigest()})
    case(f, "verify, ill-formed digits", ["hash_verify", 0, 3, 100], 500 + 12, trap="invalid_text",
         memory=[at(100, hex="ff")])
    case(f, "verify, a character cut at the 64th byte", ["hash_verify", 0, 3, 100], 500 + 12, trap="invalid_text",
         memory=[at(163, hex="c3a9")])
    case(f, "verify, lone surrogate", ["hash_verify", 0, 3, 100], 500 + 12, text=16, trap="invalid_text",
         memory=[at(100, hex="00dc")])
    case(f, "verify, digits that end with the memory", ["hash_verify", 0, 0, PAGE - 64], 500, value=0)
    case(f, "verify, digits one byte beyond it", ["hash_verify", 0, 0, PAGE - 63], 500, trap="pointer")
    case(f, "verify, utf-16 digits that end with the memory", ["hash_verify", 0, 0, PAGE - 128], 500, text=16, value=0)
    case(f, "verify, utf-16 digits one byte beyond it", ["hash_verify", 0, 0, PAGE - 127], 500, text=16, trap="pointer")
    write(f, "hash: BLAKE3 over the bytes 0 to 250 repeated, FIPS 180-4's SHA-256 examples, RFC 4231's HMAC-SHA-256 cases.")


# --- base64 -----------------------------------------------------------------------------------------------------------

def encoded(data, flags):
    text = (base64.urlsafe_b64encode if flags & 1 else base64.b64encode)(data).decode()
    return text.rstrip("=") if flags & 2 else text


def base64s():
    f = "base64"
    datas = [b"", b"f", b"fo", b"foo", b"foob", b"fooba", b"foobar", b"\xfb\xff\xbe", b"\xff\xff", b"\x00", bytes(range(256))]
    for data in datas:
        for flags in range(4):
            text = encoded(data, flags)
            label = f"{len(data)} bytes, flags {flags}" + (": " + text if len(text) < 20 else "")
            case(f, f"encode {label}", ["base64_encode", 0, len(data), flags], 50 + 2 * len(data),
                 memory=[at(0, hex=data.hex())], value=len(text), result={"text": text})
            case(f, f"decode {label}", ["base64_decode", 0, len(text), flags], 50 + 2 * len(text),
                 memory=[at(0, text=text)], value=len(data), result={"hex": data.hex()})
    case(f, "encode to utf-16", ["base64_encode", 0, 4, 0], 50 + 8, text=16, memory=[at(0, hex="666f6f62")], value=8,
         result={"text": "Zm9vYg=="})
    case(f, "decode from utf-16", ["base64_decode", 1, 8, 0], 50 + 32, text=16, memory=[at(1, text="Zm9vYg==")], value=4,
         result={"hex": "666f6f62"})
    for text, flags, why in [("Zg", 0, "padding missing"), ("Zg=", 0, "padding short"), ("Zg===", 0, "padding long"),
                             ("Zg==", 2, "padding not wanted"), ("Zm9v====", 0, "padding after a whole group"),
                             ("Zh==", 0, "bits behind the end"), ("Zm9=", 0, "bits behind the end, two bytes"),
                             ("Zh", 2, "bits behind the end, no padding"), ("Z", 2, "one digit"), ("Z===", 0, "one digit, padded"),
                             ("Zm9v\n", 0, "line feed at the end"), ("Zm 9v", 0, "space"), (" Zm9v", 0, "space in front"),
                             ("-_-_", 0, "URL-safe digits in the standard alphabet"), ("+/+/", 1, "standard digits in the URL-safe alphabet"),
                             ("=", 0, "padding alone"), ("====", 0, "four paddings"), ("Zg==Zg==", 0, "two texts"),
                             ("Zm9\u00e9", 0, "no digit"), ("Zm9\u0000", 0, "nul")]:
        for mode in (8, 16):
            units = utf16(text) if mode == 16 else len(text.encode())
            case(f, f"decode, utf-{mode}: {why}", ["base64_decode", 0, units, flags], 50 + 2 * units * (mode // 8), text=mode,
                 memory=[at(0, text=text)], value=-1, before=[["base64_encode", 0, 3, 0]], result={"hex": ""})
    for flags in (4, 5, 8, 0x80000000, 0xffffffff):
        case(f, f"encode, flags {flags:#x}", ["base64_encode", 0, 3, flags], 50 + 6, trap="invalid_argument")
        case(f, f"decode, flags {flags:#x}", ["base64_decode", 0, 3, flags], 50 + 6, trap="invalid_argument")
    case(f, "flags are looked at before the text", ["base64_decode", 0, 1, 4], 50 + 2, memory=[at(0, hex="ff")], trap="invalid_argument")
    case(f, "the range is looked at before the flags", ["base64_decode", PAGE, 1, 4], 50, trap="pointer")
    case(f, "ill-formed text", ["base64_decode", 0, 1, 0], 50 + 2, memory=[at(0, hex="ff")], trap="invalid_text")
    case(f, "lone surrogate", ["base64_decode", 0, 1, 0], 50 + 4, text=16, memory=[at(0, hex="00d8")], trap="invalid_text")
    most = 12 * 1024 * 1024
    case(f, "the longest text that the result buffer holds", ["base64_encode", 0, most, 0], 50 + 2 * most, pages=208, value=16 * 1024 * 1024)
    case(f, "one byte more", ["base64_encode", 0, most + 1, 0], 50 + 2 * (most + 1), pages=208, trap="too_large")
    write(f, "base64: RFC 4648 section 10 and more, in the four forms; every other text is refused.")


# --- text and the result buffer ---------------------------------------------------------------------------------------

ILL_FORMED = ["ff", "80", "c3", "c080", "e28228", "eda080", "edbfbf", "f0808080", "f4908080", "f8888080", "fffe41", "61c3"]
SURROGATES = ["00d8", "00dc", "00d800d8", "00dc00d8", "610000d86100", "00d8ffdb"]


def texts():
    f = "text"
    samples = ["", "a", "caf\u00e9", "\u20ac", "\U0001f600", "a\u0000b", "\ufeff", "\ufffe\uffff", "\u007f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff",
               "\ud7ff\ue000"]
    for text in samples:
        utf8 = text.encode()
        label = ascii(text)
        case(f, f"encode {label}, utf-8", ["text_encode", 3, len(utf8)], 50 + 2 * len(utf8), memory=[at(3, text=text)],
             value=len(utf8), result={"hex": utf8.hex()})
        units = utf16(text)
        case(f, f"encode {label}, utf-16", ["text_encode", 3, units], 50 + 4 * units, text=16, memory=[at(3, text=text)],
             value=len(utf8), result={"hex": utf8.hex()})
        for mode in (8, 16):
            case(f, f"decode {label}, utf-{mode}", ["text_decode", 3, len(utf8)], 50 + 2 * len(utf8), text=mode,
                 memory=[at(3, hex=utf8.hex())], value=units if mode == 16 else len(utf8), result={"text": text})
    for hex in ILL_FORMED:
        size = len(hex) // 2
        case(f, f"encode {hex}", ["text_encode", 0, size], 50 + 2 * size, memory=[at(0, hex=hex)], trap="invalid_text")
        for mode in (8, 16):
            case(f, f"decode {hex}, utf-{mode}", ["text_decode", 0, size], 50 + 2 * size, text=mode, memory=[at(0, hex=hex)],
                 before=[["text_encode", 0, 0]], value=-1, result={"hex": ""})
    for hex in SURROGATES:
        units = len(hex) // 4
        case(f, f"encode surrogates {hex}", ["text_encode", 0, units], 50 + 4 * units, text=16, memory=[at(0, hex=hex)], trap="invalid_text")
    case(f, "result_read of nothing", ["result_read", 0], 50)
    case(f, "result_read of nothing at the memory's end", ["result_read", PAGE], 50)
    case(f, "result_read of nothing beyond it", ["result_read", PAGE + 1], 50, trap="pointer")
    case(f, "result_read", ["result_read", 10], 50 + 5, before=[["text_encode", 0, 5]], memory=[at(0, text="caf\u00e9")],
         after=[at(9, hex="00636166c3a900")], result={"hex": "636166c3a9"})
    case(f, "result_read of bytes, utf-16", ["result_read", 10], 50 + 5, text=16, before=[["text_encode", 0, 4]],
         memory=[at(0, text="caf\u00e9")], after=[at(9, hex="00636166c3a900")])
    case(f, "result_read of text, utf-16", ["result_read", 11], 50 + 8, text=16, before=[["text_decode", 0, 5]],
         memory=[at(0, hex="636166c3a9")], after=[at(10, hex="00630061006600e90000")])
    case(f, "result_read that does not fit", ["result_read", PAGE - 4], 50, before=[["text_encode", 0, 5]], trap="pointer")
    case(f, "output_result of nothing", ["output_result"], 50, output={"hex": ""})
    case(f, "output_result of bytes", ["output_result"], 50 + 2, before=[["base64_decode", 0, 4, 0]], memory=[at(0, text="//8=")],
         output={"hex": "ffff"}, result={"hex": "ffff"})
    case(f, "output_result of text, utf-16", ["output_result"], 50 + 5, text=16, before=[["text_decode", 0, 5]],
         memory=[at(0, hex="636166c3a9")], output={"text": "caf\u00e9"})
    case(f, "output_result_str of nothing", ["output_result_str"], 50, output={"text": '""'})
    case(f, "output_result_str of text", ["output_result_str"], 50 + 4 * 5, text=16, before=[["text_decode", 0, 5]],
         memory=[at(0, hex="22610a0041")], output={"text": '"\\"a\\n\\u0000A"'})
    case(f, "output_result_str of bytes that are UTF-8", ["output_result_str"], 50 + 4 * 2, before=[["base64_decode", 0, 4, 0]],
         memory=[at(0, text="w6k=")], output={"text": '"\u00e9"'})
    case(f, "output_result_str of bytes that are not", ["output_result_str"], 50 + 4 * 2, before=[["base64_decode", 0, 4, 0]],
         memory=[at(0, text="//8=")], trap="invalid_text")
    most = 16 * 1024 * 1024
    case(f, "as much as the result buffer holds", ["text_encode", 0, most], 50 + 2 * most, pages=257, value=most)
    case(f, "one byte more", ["text_encode", 0, most + 1], 50 + 2 * (most + 1), pages=257, trap="too_large")
    case(f, "decode: one byte more", ["text_decode", 0, most + 1], 50 + 2 * (most + 1), pages=257, trap="too_large")
    case(f, "decode: ill-formed and too large is ill-formed", ["text_decode", 0, most + 1], 50 + 2 * (most + 1), pages=257,
         memory=[at(0, hex="ff")], value=-1)
    write(f, "text_encode, text_decode and the result buffer.")


# --- input and output -------------------------------------------------------------------------------------------------

def quoted(text):
    """RFC 8785 section 3.2.2.2."""
    return json.dumps(text, ensure_ascii=False)


def in_and_out():
    f = "io"
    doc = '{"caf\u00e9":"\U0001f600"}'
    size = len(doc.encode())
    for mode, kind, length, read in [(8, "json", size, doc.encode()), (16, "json", utf16(doc), doc.encode("utf-16-le")),
                                     (8, "bytes", size, doc.encode()), (16, "bytes", size, doc.encode())]:
        head = dict(text=mode, input_type=kind, input={"text": doc})
        case(f, f"input_len, {kind}, utf-{mode}", ["input_len"], 20, value=length, **head)
        case(f, f"input_read, {kind}, utf-{mode}", ["input_read", 7], 50 + len(read), after=[at(6, hex="00" + read.hex() + "00")], **head)
        case(f, f"input_read to the memory's end, {kind}, utf-{mode}", ["input_read", PAGE - len(read)], 50 + len(read), **head)
        case(f, f"input_read beyond it, {kind}, utf-{mode}", ["input_read", PAGE - len(read) + 1], 50, trap="pointer", **head)
    case(f, "no input", ["input_len"], 20, value=0)
    case(f, "no input read at the memory's end", ["input_read", PAGE], 50)
    case(f, "no input read beyond it", ["input_read", PAGE + 1], 50, trap="pointer")
    case(f, "json with space around it is read as it stands", ["input_read", 0], 50 + 4, input_type="json", input={"text": " 1\r\n"},
         after=[at(0, hex="20310d0a00")])

    case(f, "output_write of any bytes", ["output_write", 0, 3], 50 + 3, memory=[at(0, hex="ff00c3")], output={"hex": "ff00c3"})
    case(f, "output_write of bytes in a utf-16 capsule counts bytes", ["output_write", 0, 3], 50 + 3, text=16, memory=[at(0, hex="00d8ff")],
         output={"hex": "00d8ff"})
    case(f, "output_write of json", ["output_write", 0, size], 50 + size, input_type="json", memory=[at(0, text=doc)], output={"text": doc})
    case(f, "output_write of json, utf-16", ["output_write", 1, utf16(doc)], 50 + 2 * utf16(doc), text=16, input_type="json",
         memory=[at(1, text=doc)], output={"text": doc})
    case(f, "output_write of ill-formed json", ["output_write", 0, 2], 50 + 2, input_type="json", memory=[at(0, hex="31ff")], trap="invalid_text")
    case(f, "a character may not be cut between two writes of UTF-8", ["output_write", 0, 2], 50 + 2, input_type="json",
         memory=[at(0, hex="22c3a922")], trap="invalid_text")
    case(f, "a pair may be cut between two writes of UTF-16", ["output_write", 4, 2], 50 + 4, text=16, input_type="json",
         memory=[at(0, text='"\U0001f600"')], before=[["output_write", 0, 2]], output={"text": '"\U0001f600"'})
    case(f, "an empty write leaves it held", ["output_write", 4, 2], 50 + 4, text=16, input_type="json",
         memory=[at(0, text='"\U0001f600"')], before=[["output_write", 0, 2], ["output_write", 0, 0]], output={"text": '"\U0001f600"'})
    held = dict(text=16, input_type="json", memory=[at(0, hex="220000d8"), at(100, text='1"')], before=[["output_write", 0, 2]])
    case(f, "a held high surrogate wants a low one", ["output_write", 100, 1], 50 + 2, trap="invalid_text", **held)
    case(f, "a held high surrogate wants no other high one", ["output_write", 2, 1], 50 + 2, trap="invalid_text", **held)
    case(f, "a low surrogate first", ["output_write", 0, 1], 50 + 2, text=16, input_type="json", memory=[at(0, hex="00dc")], trap="invalid_text")
    case(f, "a high surrogate in the middle", ["output_write", 0, 2], 50 + 4, text=16, input_type="json", memory=[at(0, hex="00d82200")],
         trap="invalid_text")
    for call, fuel in [(["output_json_str", 100, 1], 50 + 8), (["output_num", bits(1.0)], 200), (["output_result"], 50), (["output_result_str"], 50)]:
        case(f, f"{call[0]} while a surrogate is held", call, fuel, trap="invalid_text", **held)
    case(f, "output_num of NaN while one is held", ["output_num", "7ff8000000000000"], 200, trap="invalid_text", **held)

    for text in ["", "a", '"\\/', "\b\t\n\f\r", "".join(map(chr, range(32))), "\u007f\u0080\u2028\u2029\ufeff", "caf\u00e9 \U0001f600", "</script>"]:
        for mode in (8, 16):
            units = utf16(text) if mode == 16 else len(text.encode())
            case(f, f"output_json_str {ascii(text)}, utf-{mode}", ["output_json_str", 5, units], 50 + 4 * units * (mode // 8), text=mode,
                 input_type="json", memory=[at(5, text=text)], output={"text": quoted(text)})
    case(f, "output_json_str in a run over bytes", ["output_json_str", 0, 1], 50 + 8, text=16, memory=[at(0, text="\u20ac")],
         output={"text": '"\u20ac"'})
    case(f, "output_json_str of ill-formed text", ["output_json_str", 0, 1], 50 + 4, memory=[at(0, hex="ff")], trap="invalid_text")
    case(f, "output_json_str ends no surrogate later", ["output_json_str", 0, 1], 50 + 8, text=16, memory=[at(0, hex="00d8")], trap="invalid_text")

    case(f, "fail", ["fail", 0, 5], 50 + 5, memory=[at(0, text="caf\u00e9")], status="failed", code="fail", message={"text": "caf\u00e9"})
    case(f, "fail, utf-16", ["fail", 0, 6], 50 + 12, text=16, memory=[at(0, text="caf\u00e9\U0001f600")], status="failed", code="fail",
         message={"text": "caf\u00e9\U0001f600"})
    case(f, "fail with nothing to say", ["fail", PAGE, 0], 50, status="failed", code="fail", message={"text": ""})
    case(f, "fail with as much as it may say", ["fail", 0, 65536], 50 + 65536, memory=[at(0, repeat=["61", 65536])], status="failed",
         code="fail", message={"repeat": ["61", 65536]})
    case(f, "fail with one byte more", ["fail", 0, 65537], 50 + 65537, pages=2, memory=[at(0, repeat=["61", 65537])], trap="too_large")
    case(f, "fail, utf-16, over the cap in UTF-8 alone", ["fail", 0, 21846], 50 + 2 * 21846, text=16, memory=[at(0, repeat=["ac20", 21846])],
         trap="too_large")
    case(f, "fail, utf-16, within the cap in UTF-8", ["fail", 0, 65536], 50 + 131072, text=16, pages=2, memory=[at(0, repeat=["6100", 65536])],
         status="failed", code="fail", message={"repeat": ["61", 65536]})
    case(f, "fail with ill-formed text", ["fail", 0, 1], 50 + 1, memory=[at(0, hex="ff")], trap="invalid_text")
    case(f, "fail, ill-formed and too long is ill-formed", ["fail", 0, 65537], 50 + 65537, pages=2, memory=[at(65536, hex="ff")],
         trap="invalid_text")
    case(f, "abort", ["abort", 0xffffffff, 1, 2, 3], 20, status="failed", code="abort")

    ten = dict(memory=[at(0, text="0123456789")], limits={"output_bytes": 10})
    case(f, "output up to its limit", ["output_write", 0, 10], 50 + 10, output={"text": "0123456789"}, **ten)
    case(f, "an empty write at the limit", ["output_write", 0, 0], 50, before=[["output_write", 0, 10]], output={"text": "0123456789"}, **ten)
    case(f, "a byte beyond it", ["output_write", 0, 1], 50 + 1, before=[["output_write", 0, 10]], status="output_too_large", **ten)
    case(f, "quotes count", ["output_json_str", 0, 9], 50 + 36, status="output_too_large", **ten)
    case(f, "quotes fit", ["output_json_str", 0, 8], 50 + 32, output={"text": '"01234567"'}, **ten)
    case(f, "a number beyond it", ["output_num", bits(12345678901.0)], 200, status="output_too_large", **ten)
    case(f, "a number up to it", ["output_num", bits(1234567890.0)], 200, output={"text": "1234567890"}, **ten)
    case(f, "a result beyond it", ["output_result"], 50 + 11, before=[["text_encode", 0, 11]], status="output_too_large", **ten)
    case(f, "a quoted result beyond it", ["output_result_str"], 50 + 4 * 9, before=[["text_encode", 0, 9]], status="output_too_large", **ten)
    case(f, "counted in UTF-8: euro signs, 12 bytes", ["output_write", 0, 4], 50 + 8, text=16, input_type="json", memory=[at(0, text="\u20ac" * 4)],
         limits={"output_bytes": 11}, status="output_too_large")
    case(f, "ill-formed and too large is ill-formed", ["output_json_str", 0, 11], 50 + 44, memory=[at(10, hex="ff")], trap="invalid_text",
         limits={"output_bytes": 10})

    case(f, "the last call that the limit allows", ["input_len"], 20, before=[["input_len"], ["input_len"]], limits={"host_calls": 3}, value=0)
    case(f, "one call more is not paid for", ["input_len"], 0, before=[["input_len"], ["input_len"]], limits={"host_calls": 2},
         status="too_many_calls")
    case(f, "the count comes before the range", ["output_write", 0xffffffff, 1], 0, before=[["input_len"]], limits={"host_calls": 1},
         status="too_many_calls")
    case(f, "the count comes before abort", ["abort", 0, 0, 0, 0], 0, before=[["input_len"]], limits={"host_calls": 1}, status="too_many_calls")
    write(f, "input, output, fail and abort; the limits on output and calls; and which check comes first.")


# --- pointers ---------------------------------------------------------------------------------------------------------

def pointers():
    f = "pointers"
    ranges = [("output_write", 50, 1, lambda p, n: [p, n]), ("output_json_str", 50, 4, lambda p, n: [p, n]),
              ("text_encode", 50, 2, lambda p, n: [p, n]), ("text_decode", 50, 2, lambda p, n: [p, n]),
              ("hash_commit", 500, 4, lambda p, n: [p, n]), ("hash_sha256", 500, 16, lambda p, n: [p, n]),
              ("hash_verify", 500, 4, lambda p, n: [p, n, 0]), ("hmac_sha256", 2000, 16, lambda p, n: [p, n, 0, 0]),
              ("hmac_sha256", 2000, 16, lambda p, n: [0, 0, p, n]), ("base64_encode", 50, 2, lambda p, n: [p, n, 0]),
              ("base64_decode", 50, 2, lambda p, n: [p, n, 0]), ("random_bytes", 200, 4, lambda p, n: [p, n])]
    text_functions = ("output_json_str", "text_encode", "base64_decode")
    for i, (name, base, byte, args) in enumerate(ranges):
        label = name if name != "hmac_sha256" else "hmac_sha256, " + ("key" if args(1, 1)[0] else "data")
        case(f, f"{label}: no byte at the memory's end", [name, *args(PAGE, 0)], base)
        case(f, f"{label}: no byte beyond it", [name, *args(PAGE + 1, 0)], base, trap="pointer")
        case(f, f"{label}: the last byte", [name, *args(PAGE - 1, 1)], base + byte)
        case(f, f"{label}: one byte beyond", [name, *args(PAGE, 1)], base, trap="pointer")
        case(f, f"{label}: a range that goes on beyond", [name, *args(PAGE - 1, 2)], base, trap="pointer")
        case(f, f"{label}: a sum of 2^32", [name, *args(0xffffffff, 1)], base, trap="pointer")
        case(f, f"{label}: the largest of both", [name, *args(0xffffffff, 0xffffffff)], base, trap="pointer")
        case(f, f"{label}: a length of 2^31", [name, *args(0, 0x80000000)], base, trap="pointer")
        if name in text_functions:
            case(f, f"{label}: the last code unit, utf-16", [name, *args(PAGE - 2, 1)], base + 2 * byte, text=16)
            case(f, f"{label}: half a code unit beyond, utf-16", [name, *args(PAGE - 1, 1)], base, text=16, trap="pointer")
            case(f, f"{label}: 2^31 code units, utf-16", [name, *args(0, 0x80000000)], base, text=16, trap="pointer")
    case(f, "fail: one byte beyond", ["fail", PAGE, 1], 50, trap="pointer")
    case(f, "num_parse: one byte beyond", ["num_parse", PAGE, 1], 100, trap="pointer")
    case(f, "json_get: one byte beyond", ["json_get", 0, PAGE, 1], 50, input_type="json", input={"text": "{}"}, trap="pointer")
    case(f, "json_path: document beyond", ["json_path", PAGE, 1, 0, 0], 5000, trap="pointer")
    case(f, "json_path: path beyond", ["json_path", 0, 0, PAGE, 1], 5000, trap="pointer")
    case(f, "json_path: no document, pointer not looked at", ["json_path", 0xffffffff, 0, 0, 1], 5000 + 200,
         input_type="json", input={"text": "7"}, memory=[at(0, text="$")], value=3, result={"text": "[7]"}, extra_fuel=2)
    case(f, "hash_verify: data before digits", ["hash_verify", PAGE, 1, 0], 500, trap="pointer")
    case(f, "memory of two pages", ["hash_commit", 2 * PAGE - 1, 1], 504, pages=2)
    write(f, "ranges at the edge of the memory: a range of no bytes may begin where the memory ends, and no sum wraps around.")


# --- numbers ----------------------------------------------------------------------------------------------------------

def numbers():
    f = "number"
    values = [0.0, -0.0, 1.0, -1.0, 0.1, 0.2 + 0.1, 1e21, 1e20, 123456789012345680000.0, 1e-6, 1e-7, 1.5e-7, 5e-324, 2.2250738585072014e-308,
              2.225073858507201e-308, 1.7976931348623157e308, 9007199254740991.0, 9007199254740992.0, 9007199254740993.0, -9007199254740994.0,
              100.0, 1e2, 333333333.3333333, 4.35, 0.000001, 123e-20, 1 / 3, 5e-5, 999999999999999900000.0, 1e22, 1e23, 2.0 ** 63,
              1.0000000000000002, 4.9406564584124654e-324, 9.5e-322, 0.1 + 0.7]
    rows = sorted({bits(v) for v in values})
    for hex, text in zip(rows, ecmascript(rows)):
        for mode in (8, 16):
            case(f, f"format {hex}: {text}, utf-{mode}", ["num_format", hex], 200, text=mode, value=len(text), result={"text": text})
        case(f, f"output {hex}: {text}", ["output_num", hex], 200, input_type="json", output={"text": text})
    for hex in ["7ff0000000000000", "fff0000000000000", "7ff8000000000000", "fff8000000000001", "7ff0000000000001"]:
        case(f, f"format {hex}", ["num_format", hex], 200, trap="not_finite")
        case(f, f"output {hex}", ["output_num", hex], 200, trap="not_finite")
    texts = ["0", "-0", "1", "-1", "1.5", "1e1", "1E+1", "1e-1", "0.1", "9007199254740993", "9007199254740992.5", "1.7976931348623157e308",
             "1.7976931348623158e308", "4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-400", "-1e-400",
             "0.000000000000000000000000000000000001e36", "123456789012345678901234567890", "2.2250738585072011e-308", "8.5e15",
             "0.500000000000000166533453693773481063544750213623046875", "6929495644600919.5", "3.7455744005952583e15", "1e0000000000000000001",
             "1" + "0" * 308, "0." + "0" * 322 + "5", "1" * 400 + "e-200"]
    for text in texts:
        hex = bits(float(text))
        label = text if len(text) < 40 else f"{text[:20]} and on, {len(text)} bytes"
        for mode in (8, 16):
            size = len(text) * (mode // 8)
            case(f, f"parse {ascii(label)}, utf-{mode}", ["num_parse", 1, len(text)], number_price(size, len(text)), text=mode, memory=[at(1, text=text)], value=hex)
        case(f, f"json_num {ascii(label)}", ["json_num", 0], number_price(len(text), len(text)), input_type="json", input={"text": f" {text}\n"}, value=hex)
    for text in ["1e309", "-1e309", "1.7976931348623159e308", "1e99999999999999999999", "1" + "0" * 309]:
        label = text if len(text) < 40 else f"{text[:20]} and on, {len(text)} bytes"
        case(f, f"parse {ascii(label)}", ["num_parse", 1, len(text)], number_price(len(text), len(text)), memory=[at(1, text=text)], trap="number_overflow")
        case(f, f"json_num {ascii(label)}", ["json_num", 0], number_price(len(text), len(text)), input_type="json", input={"text": text}, trap="number_overflow")
    for text in ["", " ", "+1", "01", "-01", ".5", "1.", "1e", "1e+", "-", "0x10", "1_000", "1 ", " 1", "1\n", "Infinity", "-Infinity", "NaN", "nan",
                 "inf", "1,5", "\u0661", "\uff11", "1f", "--1", "1e1.5", '"1"', "[1]", "null", "1\u0000"]:
        size = len(text.encode())
        case(f, f"parse {ascii(text)}", ["num_parse", 1, size], number_price(size, size), memory=[at(1, text=text)], trap="not_a_number")
    case(f, "parse ill-formed text", ["num_parse", 0, 2], 100 + 16, memory=[at(0, hex="31ff")], trap="invalid_text")
    case(f, "parse a lone surrogate", ["num_parse", 0, 1], 100 + 16, text=16, memory=[at(0, hex="00d8")], trap="invalid_text")
    case(f, "parse leaves the result buffer alone", ["num_parse", 0, 1], 100 + 8, memory=[at(0, text="7")], before=[["text_encode", 0, 1]],
         value=bits(7.0), result={"hex": "37"})
    case(f, "a bad format leaves no trace", ["num_format", "7ff8000000000000"], 200, before=[["text_encode", 0, 1]], trap="not_finite")
    write(f, "numbers: as V8 prints them, and as Python's correctly rounding reader reads them. Arguments and values of type f64 are 16 hex digits, the bits.")


# --- json by handle ---------------------------------------------------------------------------------------------------

def handles():
    f = "json"
    doc = ' { "a" : [ 1 , -0 , "x\\u00e9\\ud83d\\ude00\\n" ] , "b":{"c":null},"d":true,"e":false, "n\\u0075m":12.50,"":"","caf\u00e9":[] } '
    # handle: 0 {}, 1 [], 2 1, 3 -0, 4 "x..", 5 {}, 6 null, 7 true, 8 false, 9 12.50, 10 "", 11 []
    J = dict(input_type="json", input={"text": doc})
    case(f, "root", ["json_root"], 30, value=0, **J)
    case(f, "no root of bytes", ["json_root"], 30, input={"text": doc}, value=-1)
    types = [6, 5, 3, 3, 4, 6, 0, 2, 1, 3, 4, 5]
    lens = [7, 3, -1, -1, -1, 1, -1, -1, -1, -1, -1, 0]
    raws = [doc.strip(), '[ 1 , -0 , "x\\u00e9\\ud83d\\ude00\\n" ]', "1", "-0", '"x\\u00e9\\ud83d\\ude00\\n"', '{"c":null}', "null", "true", "false",
            "12.50", '""', "[]"]
    for h in range(12):
        case(f, f"type of {h}", ["json_type", h], 30, value=types[h], **J)
        case(f, f"len of {h}", ["json_len", h], 30, value=lens[h], **J)
        for mode in (8, 16):
            value = utf16(raws[h]) if mode == 16 else len(raws[h].encode())
            case(f, f"raw of {h}, utf-{mode}", ["json_raw", h], 50 + 2 * len(raws[h].encode()), text=mode, value=value, result={"text": raws[h]}, **J)
    strings = {4: "x\u00e9\U0001f600\n", 10: ""}
    for h in range(12):
        for mode in (8, 16):
            if h in strings:
                text = strings[h]
                value = utf16(text) if mode == 16 else len(text.encode())
                case(f, f"str of {h}, utf-{mode}", ["json_str", h], 50 + 4 * len(raws[h]), text=mode, value=value, result={"text": text}, **J)
            else:
                case(f, f"str of {h}, utf-{mode}", ["json_str", h], 50, text=mode, before=[["json_raw", 2]], value=-1, result={"hex": ""}, **J)
    for h, hex in [(2, bits(1.0)), (3, bits(-0.0)), (9, bits(12.5))]:
        case(f, f"num of {h}", ["json_num", h], number_price(len(raws[h]), len(raws[h])), value=hex, **J)
    for h in [0, 1, 4, 6, 7, 10]:
        case(f, f"num of {h}", ["json_num", h], 100, trap="not_a_number", **J)
    names = ["a", "b", "d", "e", "num", "", "caf\u00e9"]
    sources = ['"a"', '"b"', '"d"', '"e"', '"n\\u0075m"', '""', '"caf\u00e9"']
    values = [1, 5, 7, 8, 9, 10, 11]
    for i, name in enumerate(names):
        for mode in (8, 16):
            units = utf16(name) if mode == 16 else len(name.encode())
            size = units * (mode // 8)
            case(f, f"key {i}, utf-{mode}", ["json_key", 0, i], 50 + 4 * len(sources[i].encode()), text=mode, value=units, result={"text": name}, **J)
            case(f, f"get {ascii(name)}, utf-{mode}", ["json_get", 0, 9, units], 50 + 4 * size + 4 * 7, text=mode, memory=[at(9, text=name)],
                 value=values[i], **J)
        case(f, f"member {i}", ["json_at", 0, i], 30, value=values[i], **J)
    case(f, "get compares after unescaping", ["json_get", 0, 0, 8], 50 + 32 + 28, memory=[at(0, text="n\\u0075m")], value=-1, **J)
    case(f, "get looks no deeper", ["json_get", 0, 0, 1], 50 + 4 + 28, memory=[at(0, text="c")], value=-1, **J)
    case(f, "get of an array", ["json_get", 1, 0, 1], 50 + 4, memory=[at(0, text="0")], value=-1, **J)
    case(f, "get leaves the result buffer alone", ["json_get", 0, 0, 1], 50 + 4 + 28, memory=[at(0, text="z")], before=[["json_raw", 9]], value=-1,
         result={"text": "12.50"}, **J)
    case(f, "get of ill-formed text", ["json_get", 0, 0, 1], 50 + 4 + 28, memory=[at(0, hex="ff")], trap="invalid_text", **J)
    case(f, "get of a lone surrogate", ["json_get", 0, 0, 1], 50 + 8 + 28, text=16, memory=[at(0, hex="00d8")], trap="invalid_text", **J)
    for i, value in [(0, 2), (1, 3), (2, 4), (3, -1), (0x7fffffff, -1), (0x80000000, -1), (0xffffffff, -1)]:
        case(f, f"element {i}", ["json_at", 1, i], 30, value=value, **J)
    case(f, "element of a scalar", ["json_at", 2, 0], 30, value=-1, **J)
    case(f, "member that is not there", ["json_at", 0, 7], 30, value=-1, **J)
    for h, i in [(0, 7), (0, 0xffffffff), (1, 0), (2, 0)]:
        case(f, f"key {i} of {h}", ["json_key", h, i], 50, before=[["json_raw", 2]], value=-1, result={"hex": ""}, **J)
    for h in (12, 0x7fffffff, 0x80000000, 0xffffffff):
        for name, base, args in [("json_type", 30, []), ("json_len", 30, []), ("json_at", 30, [0]), ("json_key", 50, [0]), ("json_raw", 50, []),
                                 ("json_str", 50, []), ("json_num", 100, []), ("json_get", 50, [0, 1])]:
            case(f, f"{name} of {h:#x}", [name, h, *args], base, trap="invalid_handle", **J)
    for name, base, args in [("json_type", 30, []), ("json_len", 30, []), ("json_at", 30, [0]), ("json_key", 50, [0]), ("json_raw", 50, []),
                             ("json_str", 50, []), ("json_num", 100, []), ("json_get", 50, [0, 1])]:
        case(f, f"{name} of bytes", [name, 0, *args], base, input={"text": "1"}, trap="invalid_handle")
    case(f, "get: the range before the handle", ["json_get", 99, PAGE, 1], 50, trap="pointer", **J)
    case(f, "get: the handle before the text", ["json_get", 99, 0, 1], 50, memory=[at(0, hex="ff")], trap="invalid_handle", **J)
    deep = "[" * 128 + "]" * 128
    case(f, "the deepest value", ["json_type", 127], 30, input_type="json", input={"text": deep}, value=5)
    case(f, "none below it", ["json_type", 128], 30, input_type="json", input={"text": deep}, trap="invalid_handle")
    case(f, "integers beyond 2^53 come as they are", ["json_raw", 1], 50 + 2 * 20, input_type="json", input={"text": '{"id":18446744073709551617}'},
         value=20, result={"text": "18446744073709551617"})
    write(f, "handles: values numbered in document order, with spans exactly as they stand in the input.")


# --- json_path --------------------------------------------------------------------------------------------------------

def tree(text):
    """A value as (kind, source, [(name, child)]), by a reader of our own for texts that are known to be strict JSON."""
    def skip(i):
        while i < len(text) and text[i] in " \t\r\n":
            i += 1
        return i

    def value(i):
        i = skip(i)
        if text[i] in "[{":
            kind, close, start, children = text[i], "]" if text[i] == "[" else "}", i, []
            i = skip(i + 1)
            while text[i] != close:
                name = None
                if kind == "{":
                    name, i = json.JSONDecoder().raw_decode(text, i)
                    i = skip(i) + 1
                child, i = value(i)
                children.append((name, child))
                i = skip(i)
                if text[i] == ",":
                    i = skip(i + 1)
            return (kind, text[start:i + 1], children), i + 1
        _, end = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode(text, i)
        return ("scalar", text[i:end], []), end

    return value(0)[0]


def walk(node, segments):
    """What segments select from a node, and the fuel of it. A segment is (descendant, [selector]); a selector a name, a
    number, a slice or `*`."""
    if not segments:
        return [node[1]], len(node[1].encode()) + 1
    (descendant, selectors), rest = segments[0], segments[1:]
    found, fuel = [], 0
    if descendant:
        nodes = [node]
        while nodes:
            below = nodes.pop(0)
            more, cost = walk(below, [(False, selectors)] + rest)
            found, fuel = found + more, fuel + cost + 20
            nodes = [child for _, child in below[2]] + nodes
        return found, fuel
    kind, _, children = node
    for selector in selectors:
        fuel += 20
        follow = []
        if selector == "*":
            follow = [child for _, child in children]
            fuel += 20 * len(follow)
        elif isinstance(selector, slice):
            follow = [child for _, child in children][selector] if kind == "[" else []
            fuel += 20 * len(follow)
        elif isinstance(selector, int):
            ok = kind == "[" and -len(children) <= selector < len(children)
            follow = [children[selector][1]] if ok else []
        else:
            members = len(children) if kind == "{" else 0
            fuel += 4 * members
            follow = [child for name, child in children if kind == "{" and name == selector]
        for child in follow:
            more, cost = walk(child, rest)
            found, fuel = found + more, fuel + cost
    return found, fuel


def paths():
    f = "path"
    doc = ('{ "store": {"book": [ {"title":"Sayings","price":8.95,"tags":["a","b"]}, {"title":"Sword","price":12.990, "tags":[]},'
           ' {"title":"\\u004doby","price":8.99} ], "bicycle": {"color":"red","price":399}}, "caf\u00e9": "\U0001f600" }')
    here, below = False, True
    queries = [("$", []), ("$.store.book[0].title", [(here, ["store"]), (here, ["book"]), (here, [0]), (here, ["title"])]),
               ("$.store.book[*].price", [(here, ["store"]), (here, ["book"]), (here, ["*"]), (here, ["price"])]),
               ("$..price", [(below, ["price"])]), ("$..*", [(below, ["*"])]), ("$..[0]", [(below, [0])]),
               ("$.store.book[-1]", [(here, ["store"]), (here, ["book"]), (here, [-1])]),
               ("$.store.book[3]", [(here, ["store"]), (here, ["book"]), (here, [3])]),
               ("$.store.book[1:]", [(here, ["store"]), (here, ["book"]), (here, [slice(1, None)])]),
               ("$.store.book[::-1].title", [(here, ["store"]), (here, ["book"]), (here, [slice(None, None, -1)]), (here, ["title"])]),
               ("$.store.book[0,0]['title','price']", [(here, ["store"]), (here, ["book"]), (here, [0, 0]), (here, ["title", "price"])]),
               ("$.nothing", [(here, ["nothing"])]), ("$.caf\u00e9", [(here, ["caf\u00e9"])]), ("$['store']['?(']", [(here, ["store"]), (here, ["?("])]),
               ("$..*..*", [(below, ["*"]), (below, ["*"])])]
    root = tree(doc)
    for query, segments in queries:
        found, fuel = walk(root, segments)
        result = "[" + ",".join(found) + "]"
        for mode in (8, 16):
            unit = mode // 8
            qlen = utf16(query) if mode == 16 else len(query.encode())
            dlen = utf16(doc) if mode == 16 else len(doc.encode())
            value = utf16(result) if mode == 16 else len(result.encode())
            case(f, f"{ascii(query)} of the input, utf-{mode}", ["json_path", 0, 0, 40000, qlen], 5000 + 200 * qlen * unit, extra_fuel=fuel,
                 text=mode, input_type="json", input={"text": doc}, memory=[at(40000, text=query)], value=value, result={"text": result})
            case(f, f"{ascii(query)} of a document, utf-{mode}", ["json_path", 1, dlen, 40000, qlen], 5000 + 8 * dlen * unit + 200 * qlen * unit,
                 extra_fuel=fuel, text=mode, memory=[at(1, text=doc), at(40000, text=query)], value=value, result={"text": result})
    old = [["hash_sha256", 0, 0]]
    for bad in ["", "{", '{"a":1,"a":2}', "1 2", '"\\ud800"', "[" * 129 + "]" * 129, "\ufeff1", "01"]:
        size = len(bad.encode())
        if size:
            case(f, f"document {ascii(bad[:20])} is not strict", ["json_path", 0, size, 40000, 1], 5000 + 8 * size + 200, before=old,
                 memory=[at(0, text=bad), at(40000, text="$")], value=-1, result={"hex": ""})
    case(f, "no document and no parsed input", ["json_path", 0, 0, 40000, 1], 5000 + 200, before=old, input={"text": "1"},
         memory=[at(40000, text="$")], value=-1, result={"hex": ""})
    case(f, "document of ill-formed text", ["json_path", 0, 1, 40000, 1], 5000 + 8 + 200, memory=[at(0, hex="ff"), at(40000, text="$")],
         trap="invalid_text")
    case(f, "query of ill-formed text", ["json_path", 0, 1, 40000, 1], 5000 + 8 + 200, memory=[at(0, text="1"), at(40000, hex="ff")],
         trap="invalid_text")
    case(f, "query of a lone surrogate", ["json_path", 0, 1, 40000, 1], 5000 + 16 + 400, text=16, memory=[at(0, text="1"), at(40000, hex="00d8")],
         trap="invalid_text")
    bads = [("", "path_invalid"), ("a", "path_invalid"), ("$.", "path_invalid"), ("$[01]", "path_invalid"), ("$ ", "path_invalid"),
            ("$['a", "path_invalid"), ("$[9007199254740992]", "path_invalid"), ("$..", "path_invalid"), ("$[?@.a]", "path_unsupported"),
            ("$.a[?(@.b==1)]", "path_unsupported"), ("?", "path_unsupported"), ("nonsense(", "path_unsupported"), ("'?'", "path_invalid"),
            ("'?", "path_invalid"), ("'\\'?'", "path_invalid"), ("'\\\\'?", "path_unsupported"), ("\"'\"?", "path_unsupported"),
            ("$['\"']?", "path_unsupported")]
    for query, code in bads:
        qlen = len(query.encode())
        for doc_text in ["1", "{"]:
            case(f, f"query {ascii(query)} on {doc_text}", ["json_path", 0, 1, 40000, qlen], 5000 + 8 + 200 * qlen,
                 memory=[at(0, text=doc_text), at(40000, text=query)], trap=code)
    case(f, "a bad query on no input", ["json_path", 0, 0, 40000, 1], 5000 + 200, input={"text": ""}, memory=[at(40000, text="x")], trap="path_invalid")
    long = "$" + "['" + "a" * 1019 + "']"
    assert len(long) == 1024
    case(f, "the longest query", ["json_path", 0, 2, 40000, 1024], 5000 + 16 + 200 * 1024, extra_fuel=20, memory=[at(0, text="{}"), at(40000, text=long)],
         value=2, result={"text": "[]"})
    case(f, "one byte longer", ["json_path", 0, 2, 40000, 1025], 5000 + 16 + 200 * 1025, memory=[at(0, text="{}"), at(40000, text=long + " ")],
         trap="too_large")
    case(f, "counted in UTF-8: 342 euro signs are 1,026 bytes", ["json_path", 0, 2, 40000, 342], 5000 + 32 + 400 * 342, text=16,
         memory=[at(0, text="{}"), at(40000, text="\u20ac" * 342)], trap="too_large")
    write(f, "json_path: selections of the input and of a document in memory, and everything that is refused.")


# --- time and random --------------------------------------------------------------------------------------------------

def chacha20(key, counter, nonce=bytes(12)):
    """One block of RFC 8439 section 2.3."""
    def rotl(v, n):
        return (v << n | v >> (32 - n)) & 0xffffffff

    def quarter(s, a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            s[z] = rotl(s[z] ^ s[x], n)

    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key)) + [counter] + list(struct.unpack("<3I", nonce))
    mixed = list(state)
    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(mixed, *q)
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(state, mixed)))


def stream(key, count):
    return b"".join(chacha20(key, i) for i in range(count // 64 + 1))[:count]


def time_and_random():
    # RFC 8439 appendix A.1, test vectors 1 and 2 (block counters 0 and 1 of the zero key), and section 2.3.2.
    zero = stream(bytes(32), 128).hex()
    assert zero.startswith("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586")
    assert zero[128:].startswith("9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f")
    assert chacha20(bytes(range(32)), 1, bytes.fromhex("000000090000004a00000000")).hex().startswith("10f1e7e4d13b5915500fdd1fa32071c4")
    f = "random"
    keys = [bytes(32), bytes(31) + b"\x01", bytes(range(32)), b"\xff" * 32]
    for key in keys:
        for count in (1, 64, 65, 200):
            case(f, f"{count} bytes, seed {key.hex()[-4:]}", ["random_bytes", 3, count], 200 + 4 * count, seed=key.hex(),
                 after=[at(2, hex="00" + stream(key, count).hex() + "00")])
    for cuts in [(1, 63), (63, 2), (64, 64), (5, 3, 120), (0, 8), (130, 1), (1, 1, 1, 1)]:
        total = sum(cuts)
        before = [["random_bytes", 3 + sum(cuts[:i]), n] for i, n in enumerate(cuts[:-1])]
        case(f, f"nothing is skipped: {'+'.join(map(str, cuts))}", ["random_bytes", 3 + sum(cuts[:-1]), cuts[-1]], 200 + 4 * cuts[-1],
             seed=keys[2].hex(), before=before, after=[at(2, hex="00" + stream(keys[2], total).hex() + "00")])
    far = stream(keys[1], 60000 + 16)
    case(f, "far along the stream", ["random_bytes", 0, 16], 200 + 64, seed=keys[1].hex(), before=[["random_bytes", 0, 60000]],
         after=[at(0, hex=far[60000:].hex() + far[16:32].hex())])
    case(f, "random_bytes leaves the result buffer alone", ["random_bytes", 100, 4], 200 + 16, before=[["text_encode", 0, 1]], memory=[at(0, text="r")],
         result={"hex": "72"})
    write(f, "random_bytes: the keystream of RFC 8439 with the seed as key, nonce 0, block counter from 0.")
    f = "time"
    for clock in (0, 1, 1700000000000, 2 ** 53 - 1):
        case(f, f"clock {clock}", ["time_now_ms"], 20, clock_ms=clock, value=clock)
    case(f, "it does not move", ["time_now_ms"], 20, clock_ms=5, before=[["time_now_ms"], ["hash_commit", 0, 60000]], value=5)
    write(f, "time_now_ms: the request's clock.")


OUT.mkdir(exist_ok=True)
for make in (hashes, base64s, texts, in_and_out, pointers, numbers, handles, paths, time_and_random):
    make()
print({name: len(rows) for name, rows in FILES.items()})
