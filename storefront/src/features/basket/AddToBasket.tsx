import { useState } from 'react'
import { Link } from 'react-router'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { Notice } from '@/ui/Notice'
import { QuantityField } from '@/ui/QuantityField'
import { useToast } from '@/ui/Toast'
import styles from './AddToBasket.module.css'
import { maxQuantity, useAddToBasket } from './queries'

interface Props {
  sku: string
  name: string
  available: boolean
  /** How many are left, when few are. */
  stock: number | undefined
}

/** How many, and the button. */
export function AddToBasket({ sku, name, available, stock = maxQuantity }: Props) {
  const [wanted, setWanted] = useState(1)
  const quantity = Math.min(wanted, stock)
  const add = useAddToBasket()
  const toast = useToast()

  function submit() {
    add.mutate([{ sku, quantity }], {
      onSuccess: () => {
        setWanted(1)
        toast({
          text: `Added to your basket: ${quantity} × ${name}`,
          action: (close) => (
            <Link to={paths.basket} onClick={close}>
              View basket
            </Link>
          ),
        })
      },
    })
  }

  return (
    <div className={styles.add}>
      <div className={styles.row}>
        {available && <QuantityField label="Quantity" value={quantity} max={stock} onChange={setWanted} />}
        <Button size="large" className={styles.button} busy={add.isPending} disabled={!available} onClick={submit}>
          {available ? 'Add to basket' : 'Sold out'}
        </Button>
      </div>
      {add.isError && <Notice tone="danger">{add.error.message}</Notice>}
    </div>
  )
}
