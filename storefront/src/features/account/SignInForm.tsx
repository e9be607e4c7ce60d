import { Link } from 'react-router'
import { paths } from '@/paths'
import { Panel } from './Panel'
import { SignInSteps } from './SignInSteps'

/** Signs in, then calls `onDone`. `from` is where registration should lead back to. */
export function SignInForm({ from, onDone }: { from: string | undefined; onDone: () => void }) {
  return (
    <Panel title="Sign in">
      <SignInSteps onDone={onDone} />
      <div>
        <p>
          <Link to={paths.forgotPassword}>Forgot your password?</Link>
        </p>
        <p>
          New here? <Link to={paths.register(from)}>Create an account</Link>
        </p>
      </div>
    </Panel>
  )
}
