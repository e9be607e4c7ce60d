/** Somebody was asked to prove who they are, and did not. */
export class NotProved extends Error {
  constructor() {
    super('Nothing was changed: you did not sign in again.')
  }
}
