// Unions, alone, in lists, of each other, and members of them that stand alone.

@union("kind") abstract class Shape {
  label: string = "";
}

@tag("circle") class Circle extends Shape {
  radius: f64 = 0;
}

@strict class Square extends Shape {
  side: i32 = 0;
  @optional inner: Shape | null = null;
}

abstract class Round extends Shape {}

@tag("group/~") class Group extends Round {
  @optional first: Shape | null = null;
  members: Shape[] = [];
}

@strict @union("of/~") abstract class Closed {
  id: u8 = 0;
}

class Left extends Closed {}

class Right extends Closed {
  @optional right: bool = false;
}

class Tagged {
  shape: Shape = new Circle();
  circle: Circle = new Circle();
  @optional square: Square | null = null;
  round: Round | null = null;
  closed: Closed[] = [];
}

export function run(tagged: Tagged): Tagged {
  return tagged;
}
