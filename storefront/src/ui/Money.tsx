import { formatMoney, type Amount } from './money'

/** An amount of money as text. */
export function Money({ value }: { value: Amount }) {
  return <>{formatMoney(value)}</>
}
