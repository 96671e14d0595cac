// Values from a schema of the SDK. In: a schema, chance. Out: a value that fits, or that is wrong in some place. It knows the
// keywords that `transform/schema.js` writes, and throws at any other.

const AWKWARD = [null, true, false, 0, -0, 0.5, -1, 1e300, 128, 255, 256, 65536, 2147483648, 4294967296, 2 ** 53, 2 ** 53 - 1, -(2 ** 53), 3.5e38, "", "open", "1", [], {}, [null], { x: 1 }];
// Around the ends of both types, and ways to write a number that are not allowed.
const DIGITS = ["0", "-0", "00", "01", "-1", "+1", "1.0", "1e3", "", "-", " 1", "1 ", "9007199254740992", "-9007199254740993", "9223372036854775807", "9223372036854775808",
  "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "18446744073709551620", "99999999999999999999", "100000000000000000000", "１"];
// What objects of JavaScript have already, what looks alike and is not, and what looks like a number.
const NAMES = ["__proto__", "constructor", "toString", "length", "a", "A", "a ", "\u00e9", "e\u0301", "\u0430", "k", "k\u200d", "0", "-0", "01", ""];
const KNOWN = new Set(["$schema", "$ref", "$defs", "description", "default", "type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "items", "additionalProperties", "enum", "const", "properties", "required", "allOf", "if", "then"]);

export class Maker {
  /** @param {any} schema @param {import("../../test/random.ts").Random} random */
  constructor(schema, random) {
    this.root = schema;
    this.random = random;
    // How often something is made wrong on purpose: never in half of the values, else about once.
    this.wrong = random.once(2) ? 0 : random.int(5, 60);
    // Then mostly no second time: where one thing is wrong, its place is the place.
    this.single = !random.once(4);
    this.left = 60;
  }

  /** Whether to make this wrong, once in so many times. */
  slips(times) {
    if (!this.wrong || !this.random.once(times)) return false;
    if (this.single) this.wrong = 0;
    return true;
  }

  value(schema = this.root, depth = 0) {
    for (const key of Object.keys(schema)) if (!KNOWN.has(key)) throw new Error(`a keyword that is not known here: ${key}`);
    const { random } = this;
    this.left--;
    if (this.slips(this.wrong)) return random.pick(AWKWARD);
    if (schema.$ref) return this.value(this.root.$defs[schema.$ref.slice("#/$defs/".length)], depth);
    if (schema.allOf) return this.value(random.pick(schema.allOf).then, depth);
    if (schema.if) return depth > 6 || this.left < 0 || random.once(3) ? null : this.value(schema.then, depth);
    if ("const" in schema) return schema.const;
    if (schema.enum) return random.pick(schema.enum);
    if (!schema.type) return random.json(2);
    const types = Array.isArray(schema.type) ? schema.type : [schema.type];
    return this.typed(random.pick(types), schema, depth);
  }

  typed(type, schema, depth) {
    const { random } = this;
    const more = depth > 6 || this.left < 0 ? 0 : 3;
    switch (type) {
      case "null": return null;
      case "boolean": return random.once(2);
      case "string": return schema.pattern ? this.digits(schema.pattern) : random.text(5);
      case "integer": return this.integer(schema);
      case "number": return schema.exclusiveMaximum ? random.pick([0, -0, 0.1, 1e-50, 3.4e38, -3.4028234663852886e38, 16777217]) : random.pick([0, -0, 0.1, 1e21, 5e-324, -1.7976931348623157e308, 2 ** 53 + 2, random.int(-99, 99)]);
      case "array": return random.list(more, () => this.value(schema.items, depth + 1));
      default: return this.object(schema, depth, more);
    }
  }

  digits(pattern) {
    const fits = DIGITS.filter((text) => new RegExp(pattern).test(text));
    return this.slips(4) ? this.random.pick(DIGITS) : this.random.pick([...fits, String(this.random.bits())]);
  }

  integer({ minimum, maximum }) {
    const { random } = this;
    if (this.slips(this.wrong)) return random.pick([minimum - 1, maximum + 1, 0.5, minimum - 0.5]);
    return random.pick([minimum, maximum, Math.max(minimum, 0), random.int(Math.max(minimum, -1000), Math.min(maximum, 1000))]);
  }

  object({ properties = {}, required = [], additionalProperties }, depth, more) {
    const { random } = this;
    const members = Object.entries(properties).filter(([name]) => {
      const needed = required.includes(name) && !this.slips(this.wrong * 2);
      return needed || (!required.includes(name) && !(more === 0) && random.once(2));
    }).map(([name, inner]) => [name, this.value(inner, depth + 1)]);
    const anyName = () => (random.once(2) ? random.pick(NAMES) : `k${random.text(3)}`);
    if (typeof additionalProperties === "object") members.push(...random.list(more, () => [anyName(), this.value(additionalProperties, depth + 1)]));
    else if (additionalProperties === undefined ? random.once(4) : this.slips(this.wrong)) members.splice(random.int(0, members.length), 0, [anyName(), random.json(1)]);
    if (random.once(4)) members.reverse();
    return Object.fromEntries(members);
  }
}
