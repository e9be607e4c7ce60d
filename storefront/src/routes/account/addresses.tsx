import { queryClient } from '@/api/queryClient'
import { Addresses } from '@/features/account/Addresses'
import { addressesQuery } from '@/features/account/queries'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchQuery(addressesQuery)
})

export const Component = Addresses
