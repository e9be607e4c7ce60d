import { Link } from 'react-router'
import { formErrors } from '@/api/client'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Panel } from './Panel'
import { useForgotPassword } from './queries'

/** Has a link mailed by which another password can be set. The answer is the same whether or not there is an account. */
export function ForgotPassword() {
  const forgot = useForgotPassword()
  if (forgot.isSuccess) {
    return (
      <Panel title="Check your mail">
        <p role="status">
          If there is an account for <strong>{forgot.variables}</strong>, a link is on its way there. It works once, within half an hour.
        </p>
        <p>
          <Link to={paths.signIn()}>Go to sign in</Link>
        </p>
      </Panel>
    )
  }
  return (
    <Panel title="Forgot your password?">
      <p>Tell us your e-mail address, and we send you a link to set another one.</p>
      <Form {...formErrors(forgot.error)} onSubmit={({ email = '' }) => forgot.isPending || forgot.mutate(email)}>
        <Field label="E-mail" name="email" type="email" autoComplete="email" required maxLength={254} />
        <Button type="submit" size="large" busy={forgot.isPending}>
          Send the link
        </Button>
      </Form>
      <p>
        It came back to you? <Link to={paths.signIn()}>Sign in</Link>
      </p>
    </Panel>
  )
}
