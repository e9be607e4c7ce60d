import type { LoaderFunctionArgs } from 'react-router'
import { currentCurrency } from '@/api/currency'
import { queryClient } from '@/api/queryClient'
import { readFilter } from '@/features/catalog/filter'
import { ProductListing } from '@/features/catalog/ProductListing'
import { productsQuery } from '@/features/catalog/queries'

export async function loader({ request }: LoaderFunctionArgs) {
  const currency = currentCurrency()
  const { filter, pages } = readFilter(new URL(request.url).searchParams, currency)
  const list = queryClient.prefetchInfiniteQuery({ ...productsQuery(filter, currency), pages })
  // Who comes back to a place far down the list needs all of it to stand there again.
  if (pages > 1) await list
  return null
}

export function Component() {
  return <ProductListing />
}
