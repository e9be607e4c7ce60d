import { Field } from '@/ui/Field'

/** Where a password is chosen. Its name is `password`, as the shop calls it when it refuses one. */
export function NewPasswordField({ label }: { label: string }) {
  return (
    <Field
      label={label}
      name="password"
      type="password"
      autoComplete="new-password"
      required
      minLength={8}
      maxLength={128}
      hint="At least 8 characters. A few words in a row are easy to remember and hard to guess."
    />
  )
}
