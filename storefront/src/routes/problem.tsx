import { useQueryErrorResetBoundary } from '@tanstack/react-query'
import { isRouteErrorResponse, useLocation, useNavigate, useNavigation, useRouteError } from 'react-router'
import { needsSignIn, ProblemError } from '@/api/client'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Message } from '@/ui/Message'
import { PageSkeleton } from '@/ui/Skeleton'

/** Stands in for a page that could not be shown, inside the shop's frame. */
export function Problem() {
  const error = useRouteError()
  const { reset } = useQueryErrorResetBoundary()
  const location = useLocation()
  const navigate = useNavigate()
  const { state } = useNavigation()

  if (error instanceof ProblemError && (error.status === 404 || error.status === 400)) return <NotFound />
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFound />
  // The page to sign in is on its way.
  if (needsSignIn(error)) return <PageSkeleton />
  return (
    <>
      <title>Something went wrong · Sidecart</title>
      <Message
        level={1}
        title="Something went wrong"
        action={
          <>
            <Button
              busy={state !== 'idle'}
              onClick={() => {
                reset()
                // Going to where we are makes the router drop the error; a revalidation alone may not.
                void navigate(location, { replace: true, preventScrollReset: true })
              }}
            >
              Try again
            </Button>
            <ButtonLink to={paths.home} look="secondary">
              Home
            </ButtonLink>
          </>
        }
      >
        {error instanceof ProblemError ? error.message : 'The shop cannot be reached. Check your connection and try again.'}
      </Message>
    </>
  )
}

export function NotFound() {
  return (
    <>
      <title>Not found · Sidecart</title>
      <Message
        level={1}
        title="We looked everywhere"
        action={
          <>
            <ButtonLink to={paths.products()}>See all products</ButtonLink>
            <ButtonLink to={paths.home} look="secondary">
              Home
            </ButtonLink>
          </>
        }
      >
        This page was not found. It may have moved, or the link may be wrong.
      </Message>
    </>
  )
}

/** The last resort, when even the frame fails. */
export function Broken() {
  return (
    <main>
      <title>Sidecart</title>
      <Message level={1} title="The shop could not be opened" action={<Button onClick={() => location.reload()}>Reload</Button>}>
        Please try again in a moment.
      </Message>
    </main>
  )
}
