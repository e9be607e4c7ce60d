import { currentCurrency } from '@/api/currency'
import { queryClient } from '@/api/queryClient'
import { Wishlist } from '@/features/account/Wishlist'
import { wishlistQuery } from '@/features/account/wishes'
import { AddOne } from '@/features/basket/AddOne'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchQuery(wishlistQuery(currentCurrency()))
})

export function Component() {
  return <Wishlist purchase={(wish) => <AddOne {...wish} />} />
}
