import { Link } from 'react-router'
import { ProblemError } from '@/api/client'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { NewPasswordField } from './NewPasswordField'
import { Panel } from './Panel'
import { useRegister } from './queries'

/** Opens an account. The answer is the same for an address that has one already. */
export function RegisterForm({ from }: { from: string | undefined }) {
  const register = useRegister()
  if (register.isSuccess) {
    return (
      <Panel title="Check your mail">
        <p role="status">
          We have sent a link to <strong>{register.variables.email}</strong>. Open it to confirm your address, then sign in.
        </p>
        <p>What you bought as a guest with this address will be among your orders.</p>
        <p>
          <Link to={paths.signIn(from)}>Go to sign in</Link>
        </p>
      </Panel>
    )
  }
  const problem = register.error instanceof ProblemError ? register.error : null
  return (
    <Panel title="Create an account">
      <Form
        refused={problem?.messages}
        problem={register.error && !problem?.fields.length ? register.error.message : undefined}
        onSubmit={({ name = '', email = '', password = '' }) => register.isPending || register.mutate({ name, email, password })}
      >
        <Field label="Name" name="name" autoComplete="name" required maxLength={100} />
        <Field label="E-mail" name="email" type="email" autoComplete="email" required maxLength={254} />
        <NewPasswordField label="Password" />
        <Button type="submit" size="large" busy={register.isPending}>
          Create account
        </Button>
      </Form>
      <p>
        Have an account? <Link to={paths.signIn(from)}>Sign in</Link>
      </p>
    </Panel>
  )
}
