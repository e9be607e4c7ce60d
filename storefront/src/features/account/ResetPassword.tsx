import { formErrors, ProblemError } from '@/api/client'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Form } from '@/ui/Form'
import { Notice } from '@/ui/Notice'
import { NewPasswordField } from './NewPasswordField'
import { Panel } from './Panel'
import { useResetPassword } from './queries'

/** Sets another password with the mailed token. It signs nobody in: a second factor is asked for as always. */
export function ResetPassword({ token }: { token: string | null }) {
  const reset = useResetPassword()
  if (reset.isSuccess) {
    return (
      <Panel title="Your password is set">
        <p role="status">Every device was signed out. Sign in with your new password.</p>
        <ButtonLink to={paths.signIn()} size="large">
          Sign in
        </ButtonLink>
      </Panel>
    )
  }
  const spent = !token || (reset.error instanceof ProblemError && reset.error.code === 'invalid-reset-token')
  return (
    <Panel title="Set a new password">
      {spent ? (
        <>
          <Notice tone="danger">{token ? 'This link is not valid any more. It works once, for half an hour.' : 'Open the link in the mail that we sent you.'}</Notice>
          <ButtonLink to={paths.forgotPassword} look="secondary">
            Ask for another link
          </ButtonLink>
        </>
      ) : (
        <Form {...formErrors(reset.error)} onSubmit={({ password = '' }) => reset.isPending || reset.mutate({ token, password })}>
          <NewPasswordField label="New password" />
          <Button type="submit" size="large" busy={reset.isPending}>
            Set password
          </Button>
        </Form>
      )}
    </Panel>
  )
}
