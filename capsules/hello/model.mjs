/** @type {import("../test/model.js").Make} */
export const make = (random) => ({ input: JSON.stringify(random.text(20)) });
/** @type {import("../test/model.js").Answer} */
export const answer = ({ input }) => JSON.stringify(`Hello, ${JSON.parse(input)}!`);
