import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import { sentence } from '@/api/client'
import { Button, ButtonLink } from '@/ui/Button'
import { Message } from '@/ui/Message'
import { Notice } from '@/ui/Notice'
import { Skeleton } from '@/ui/Skeleton'
import styles from './admin.module.css'
import { nextPage, previousPage } from './filter'

interface Props<Data> {
  query: UseQueryResult<Data>
  /** What stands in for no rows. */
  empty: string
  isEmpty: (data: Data) => boolean
  children: (data: Data, dim: boolean) => ReactNode
}

/** A list with its other states: on its way, not to be had, and empty. */
export function List<Data>({ query, empty, isEmpty, children }: Props<Data>) {
  const { data, error, isPlaceholderData, refetch } = query
  if (data === undefined && error) {
    return (
      <Message title="This could not be loaded" action={<Button onClick={() => void refetch()}>Try again</Button>}>
        {sentence(error)}
      </Message>
    )
  }
  return (
    <div className={styles.list}>
      {data === undefined ? (
        <div role="status">
          <span className="visually-hidden">Loading</span>
          <Skeleton shape="block" />
        </div>
      ) : isEmpty(data) ? (
        <Message title={empty} />
      ) : (
        children(data, isPlaceholderData)
      )}
    </div>
  )
}

/** Says whose part of a list is missing. */
export function Missing({ services }: { services: string[] | undefined }) {
  if (!services?.length) return null
  return <Notice tone="warn">No answer from {new Intl.ListFormat('en').format(services)}: what is known there is missing here.</Notice>
}

/** The way to the pages before and after, by the cursors in the URL. */
export function Pages({ next }: { next: string | undefined }) {
  const [search] = useSearchParams()
  const previous = previousPage(search)
  if (!previous && !next) return null
  return (
    <nav aria-label="Pages" className={styles.pages}>
      {previous && (
        <ButtonLink look="secondary" to={{ search: previous.toString() }}>
          Page before
        </ButtonLink>
      )}
      {next && (
        <ButtonLink look="secondary" to={{ search: nextPage(search, next).toString() }}>
          Next page
        </ButtonLink>
      )}
    </nav>
  )
}
