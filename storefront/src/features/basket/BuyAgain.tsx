import { useNavigate } from 'react-router'
import type { Line } from '@/api/types'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { Notice } from '@/ui/Notice'
import { useAddToBasket } from './queries'

/** Puts the lines of an order that came to nothing back into the basket; `onAdded` hears of it before the basket is shown. */
export function BuyAgain({ lines, onAdded }: { lines: Line[]; onAdded: () => void }) {
  const add = useAddToBasket()
  const navigate = useNavigate()

  function done() {
    onAdded()
    void navigate(paths.basket)
  }

  return (
    <>
      <Button size="large" busy={add.isPending} onClick={() => add.mutate(lines, { onSuccess: done })}>
        Put the items back in the basket
      </Button>
      {add.isError && <Notice tone="danger">{add.error.message}</Notice>}
    </>
  )
}
