export const make = (random) => ({ input: JSON.stringify(random.text(20)) });
export const answer = ({ input }) => JSON.stringify(`Hello, ${JSON.parse(input)}!`);
