/** @type {import("../test/model.js").Make} */
export const make = (random) => ({ input: `${random.pick(["", " ", "\n"])}${JSON.stringify(random.json(4))}` });
/** @type {import("../test/model.js").Answer} */
export const answer = ({ input }) => input;
