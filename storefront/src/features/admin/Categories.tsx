import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { sentence } from '@/api/client'
import type { StaffCategory } from '@/api/types'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import tree from './Categories.module.css'
import { CategoryDialog } from './CategoryDialog'
import { categoriesQuery, useMoveCategory, useRemoveCategory } from './catalogQueries'
import { List } from './List'

type Open = { do: 'add'; parent: string } | { do: 'edit' | 'remove'; category: StaffCategory } | null

/** The tree of categories, in the order in which shoppers see it. */
export function Categories({ mayAct }: { mayAct: boolean }) {
  const query = useQuery(categoriesQuery)
  const [open, setOpen] = useState<Open>(null)
  const close = () => setOpen(null)
  return (
    <>
      {mayAct && (
        <Button className={styles.start} onClick={() => setOpen({ do: 'add', parent: '' })}>
          New category
        </Button>
      )}
      <List query={query} empty="No categories yet" isEmpty={(items) => items.length === 0}>
        {(items) => <Branch categories={items} parent={undefined} mayAct={mayAct} onOpen={setOpen} />}
      </List>
      {open?.do === 'add' && <CategoryDialog categories={query.data ?? []} parent={open.parent} onClose={close} />}
      {open?.do === 'edit' && <CategoryDialog categories={query.data ?? []} category={open.category} parent={open.category.parent ?? ''} onClose={close} />}
      {open?.do === 'remove' && <RemoveDialog category={open.category} onClose={close} />}
    </>
  )
}

interface BranchProps {
  categories: StaffCategory[]
  parent: string | undefined
  mayAct: boolean
  onOpen: (open: Open) => void
}

function Branch({ categories, parent, mayAct, onOpen }: BranchProps) {
  const here = categories.filter((category) => category.parent === parent)
  const move = useMoveCategory()
  const toast = useToast()
  if (here.length === 0) return null

  function place(category: StaffCategory, position: number) {
    if (move.isPending) return
    move.mutate({ category, position }, { onSuccess: () => toast({ text: `${category.name} has moved.` }), onError: (error) => toast({ text: sentence(error) }) })
  }

  return (
    <ul className={tree.branch}>
      {here.map((category, index) => (
        <li key={category.slug}>
          <div role="group" aria-label={category.name} className={tree.row}>
            <div>
              <b>{category.name}</b>{' '}
              <Link to={`${paths.admin.products}?${new URLSearchParams({ category: category.slug })}`} className={styles.muted}>
                {category.products} {category.products === 1 ? 'product' : 'products'}
              </Link>
              {category.attributes.length > 0 && <p className={styles.muted}>{category.attributes.map(({ name, facet }) => (facet ? `${name} (filter)` : name)).join(', ')}</p>}
            </div>
            {mayAct && (
              <div className={styles.actions}>
                {index > 0 && (
                  <Button look="quiet" aria-label={`Move ${category.name} up`} onClick={() => place(category, index - 1)}>
                    ↑
                  </Button>
                )}
                {index < here.length - 1 && (
                  <Button look="quiet" aria-label={`Move ${category.name} down`} onClick={() => place(category, index + 1)}>
                    ↓
                  </Button>
                )}
                <Button look="quiet" aria-label={`Edit ${category.name}`} onClick={() => onOpen({ do: 'edit', category })}>
                  Edit
                </Button>
                <Button look="quiet" aria-label={`Add within ${category.name}`} onClick={() => onOpen({ do: 'add', parent: category.slug })}>
                  Add within
                </Button>
                <Button look="quiet" aria-label={`Remove ${category.name}`} onClick={() => onOpen({ do: 'remove', category })}>
                  Remove
                </Button>
              </div>
            )}
          </div>
          <Branch categories={categories} parent={category.slug} mayAct={mayAct} onOpen={onOpen} />
        </li>
      ))}
    </ul>
  )
}

function RemoveDialog({ category: { slug, name, version }, onClose }: { category: StaffCategory; onClose: () => void }) {
  const { mutate, isPending, error } = useRemoveCategory()
  const toast = useToast()

  function submit() {
    mutate(
      { slug, version },
      {
        onSuccess: () => {
          toast({ text: `${name} is gone.` })
          onClose()
        },
      },
    )
  }

  return (
    <ActionDialog title={`Remove ${name}?`} action="Remove category" busy={isPending} error={error} onClose={onClose} onSubmit={submit}>
      <p>It must be empty: products and categories within it have to move first.</p>
    </ActionDialog>
  )
}
