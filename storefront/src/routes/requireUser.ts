import { redirect, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import { paths } from '@/paths'

/** Sends visitors to the sign-in page, and from there back to where they wanted to go. */
export async function requireUser(request: Request) {
  const { pathname, search } = new URL(request.url)
  if (!(await queryClient.ensureQueryData(meQuery))) throw redirect(paths.signIn(pathname + search))
}

/** The loader of a page that is somebody's own: what it shows is fetched once somebody is there. */
export function ofUser(fetch: () => void) {
  return async ({ request }: LoaderFunctionArgs) => {
    await requireUser(request)
    fetch()
    return null
  }
}
