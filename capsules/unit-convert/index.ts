// Converts between units of one kind. The factors are exact by definition, each as the nearest binary64.

import { fail } from "@tenzik/sdk";

enum Unit {
  Metre = "m", Kilometre = "km", Centimetre = "cm", Millimetre = "mm", Inch = "in", Foot = "ft", Yard = "yd", Mile = "mi", NauticalMile = "nmi",
  Kilogram = "kg", Gram = "g", Tonne = "t", Pound = "lb", Ounce = "oz",
  Litre = "l", Millilitre = "ml", Gallon = "gal",
  Second = "s", Minute = "min", Hour = "h", Day = "d",
  Joule = "J", KilowattHour = "kWh", Calorie = "cal",
  Kelvin = "K", Celsius = "C", Fahrenheit = "F",
}

class Order { value: f64 = 0; from: Unit = Unit.Metre; to: Unit = Unit.Metre; }
class Result { value: f64 = 0; unit: Unit = Unit.Metre; }

// How many of the first unit of its kind each unit is.
const factors = memory.data<f64>([
  1, 1000, 0.01, 0.001, 0.0254, 0.3048, 0.9144, 1609.344, 1852,
  1, 0.001, 1000, 0.45359237, 0.028349523125,
  1, 0.001, 3.785411784,
  1, 60, 3600, 86400,
  1, 3600000, 4.184,
  1, 1, 0.5555555555555556,
]);

export function run(order: Order): Result {
  if (kind(order.from) != kind(order.to)) fail("the units are of two kinds");
  let value = order.value;
  if (order.from != order.to) value = (value + offset(order.from)) * factor(order.from) / factor(order.to) - offset(order.to);
  if (!isFinite(value)) fail("the result is beyond a binary64");
  return { value, unit: order.to };
}

function kind(unit: Unit): i32 {
  return <i32>(unit >= Unit.Kilogram) + <i32>(unit >= Unit.Litre) + <i32>(unit >= Unit.Second) + <i32>(unit >= Unit.Joule) + <i32>(unit >= Unit.Kelvin);
}

function factor(unit: Unit): f64 {
  return load<f64>(factors + (<usize>unit << 3));
}

// What is added to a temperature to count from the freezing point, in its own degrees.
function offset(unit: Unit): f64 {
  return unit == Unit.Kelvin ? -273.15 : unit == Unit.Fahrenheit ? -32 : 0;
}
