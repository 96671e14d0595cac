// Ways to write a JSON value. In: a value, chance. Out: a text that stands for it, with numbers such as `2.0`, `1e2` and `-0`,
// escapes in names and strings, and white space; or one that is no strict JSON, by a name that stands twice or half of a
// surrogate pair. Members stay in their order.

export class Speller {
  /** @param {import("../../test/random.ts").Random} random @param {boolean} broken whether it is to be no strict JSON */
  constructor(random, broken = false) {
    this.random = random;
    this.broken = broken;
    // How often something is written in an unusual way.
    this.unusual = random.pick([1, 4, 30]);
  }

  value(value) {
    const { random } = this;
    const blank = () => (random.once(20) ? random.pick([" ", "\n", "\t", "\r\n"]) : "");
    const joined = (parts, open, close) => open + parts.map((part) => blank() + part + blank()).join(",") + (parts.length ? "" : blank()) + close;
    if (typeof value === "number") return this.number(value);
    if (typeof value === "string") return this.string(value);
    if (Array.isArray(value)) return joined(value.map((one) => this.value(one)), "[", "]");
    if (value === null || typeof value !== "object") return String(value);
    const members = Object.entries(value).map(([name, one]) => `${this.string(name)}${blank()}:${blank()}${this.value(one)}`);
    if (this.broken && members.length && random.once(2)) {
      this.broken = false;
      members.push(`${this.string(Object.keys(value)[0])}:null`);
    }
    return joined(members, "{", "}");
  }

  /** A number of the same binary64. */
  number(value) {
    const { random } = this;
    const plain = Object.is(value, -0) ? "-0" : String(value);
    if (!random.once(this.unusual)) return plain;
    const [digits, power] = (Object.is(value, -0) ? "-0e0" : value.toExponential()).split("e");
    const fraction = digits.includes(".") ? digits : `${digits}.0`;
    const shifted = digits.replace(".", "") + `e${Number(power) - (digits.split(".")[1]?.length ?? 0)}`;
    return random.pick([
      `${digits}e${Number(power)}`, `${fraction}E${power}`, `${fraction}00e${power}`, /^-?[1-9]/.test(digits) ? shifted : plain,
      /^-?\d+$/.test(plain) ? `${plain}.0` : plain, /^-?[1-9]\d*$/.test(plain) ? `${plain}0e-1` : plain,
    ]);
  }

  string(text) {
    const { random } = this;
    const units = Array.from(text, (character) => {
      if (!random.once(this.unusual)) return JSON.stringify(character).slice(1, -1);
      return character === "/" && random.once(2) ? "\\/" : escaped(character, random);
    });
    if (this.broken && random.once(3)) {
      this.broken = false;
      units.splice(random.int(0, units.length), 0, random.pick(["\\ud800", "\\udfff", "\\ude00\\ud83d"]));
    }
    return `"${units.join("")}"`;
  }
}

function escaped(character, random) {
  return character.split("").map((unit) => {
    const hex = unit.charCodeAt(0).toString(16).padStart(4, "0");
    return `\\u${random.once(2) ? hex.toUpperCase() : hex}`;
  }).join("");
}
