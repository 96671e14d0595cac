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

class Tagged {
  shape: Shape = new Circle();
  circle: Circle = new Circle();
  @optional square: Square | null = null;
  round: Round | null = null;
}

export function run(tagged: Tagged): Tagged {
  return tagged;
}
