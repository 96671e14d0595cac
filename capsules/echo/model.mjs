export const make = (random) => ({ input: `${random.pick(["", " ", "\n"])}${JSON.stringify(random.json(4))}` });
export const answer = ({ input }) => input;
