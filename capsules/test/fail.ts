/** What a model throws where the capsule's run fails. */
export class Fail extends Error {}
