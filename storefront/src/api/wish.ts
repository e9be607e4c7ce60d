import { useState } from 'react'
import { isRefusal } from './client'

/**
 * One wish for something that must not happen twice. Its Idempotency-Key is kept until the shop has said yes or no, so that a
 * repeat after a lost answer changes nothing, even with other words in it; the next wish has another key.
 */
export class Wish {
  private key: string | undefined
  private readonly newKey: () => string

  constructor(newKey = () => crypto.randomUUID() as string) {
    this.newKey = newKey
  }

  async send<T>(request: (headers: { 'Idempotency-Key': string }) => Promise<T>): Promise<T> {
    this.key ??= this.newKey()
    try {
      const answer = await request({ 'Idempotency-Key': this.key })
      this.key = undefined
      return answer
    } catch (error) {
      if (isRefusal(error)) this.key = undefined
      throw error
    }
  }
}

/** The wish of the form or the dialog around it, for as long as it is open. */
export function useWish(): Wish {
  return useState(() => new Wish())[0]
}
