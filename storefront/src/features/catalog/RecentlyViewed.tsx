import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useCurrency } from '@/api/currency'
import { ProductShelf } from './Shelf'
import { namedQuery } from './queries'
import { rememberViewed, useRecentlyViewed } from './recent'

/** How many products the shelf shows. */
const shown = 4

/** What somebody looked at before the product whose page this is, which is remembered from now on. */
export function RecentlyViewed({ slug }: { slug: string }) {
  // What is shown does not change under somebody's eyes by the product being remembered.
  const [before] = useState(useRecentlyViewed())
  const slugs = before.filter((other) => other !== slug).slice(0, shown)
  const { data } = useQuery(namedQuery(slugs, useCurrency()))
  useEffect(() => rememberViewed(slug), [slug])
  return <ProductShelf title="You looked at" products={data ?? []} />
}
