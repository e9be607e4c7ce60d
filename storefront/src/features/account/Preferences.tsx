import { useSuspenseQuery } from '@tanstack/react-query'
import { currencies } from '@/api/currency'
import type { Preferences as Chosen } from '@/api/types'
import { Button } from '@/ui/Button'
import { formatDay } from '@/ui/dates'
import { CheckField, SelectField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { useToast } from '@/ui/Toast'
import { Changed, otherErrors } from './Changed'
import { Page } from './Page'
import styles from './Preferences.module.css'
import { preferencesQuery, useChangePreferences } from './queries'
import { Section } from './Section'

const languages = [
  ['en', 'English'],
  ['de', 'Deutsch'],
  ['fr', 'Français'],
  ['es', 'Español'],
  ['it', 'Italiano'],
] as const

/** What may be mailed beside what an order needs, by the purposes of the API. */
const purposes = [
  { purpose: 'marketing', label: 'News and offers', about: 'A mail now and then about what is new.' },
  { purpose: 'backInStock', label: 'Wishes that are back', about: 'A mail when something on your wishlist can be had again.' },
  { purpose: 'basketReminders', label: 'Reminders of a basket', about: 'One mail if something stays in your basket.' },
] as const

/** In which language and currency the customer is served, and what they agree to be written. */
export function Preferences() {
  const { data: seen } = useSuspenseQuery(preferencesQuery)
  const { language, currency, consents } = seen.value
  const change = useChangePreferences()
  const toast = useToast()
  return (
    <Page title="Preferences" lead="How the shop speaks to you, and how often.">
      <Form
        className={styles.form}
        {...otherErrors(change.error)}
        onSubmit={(values) => {
          if (change.isPending) return
          const agreed = Object.fromEntries(purposes.map(({ purpose }) => [purpose, purpose in values]))
          change.mutate(
            { version: seen.version, change: { language: values.language ?? language, currency: values.currency ?? currency, consents: agreed } },
            { onSuccess: () => toast({ text: 'Preferences saved' }) },
          )
        }}
      >
        <Changed error={change.error} what="preferences" />
        <Section title="Language and currency">
          <div className={styles.pair}>
            <SelectField label="Language" name="language" autoComplete="language" defaultValue={language} hint="Of our mails, where they are translated.">
              {!languages.some(([code]) => code === language) && <option value={language}>{language}</option>}
              {languages.map(([code, name]) => (
                <option key={code} value={code} lang={code}>
                  {name}
                </option>
              ))}
            </SelectField>
            <SelectField label="Preferred currency" name="currency" defaultValue={currency} hint="Of the prices that you see.">
              {!currencies.some((known) => known === currency) && <option>{currency}</option>}
              {currencies.map((known) => (
                <option key={known}>{known}</option>
              ))}
            </SelectField>
          </div>
        </Section>
        <Section title="Mails" about="We always write about your orders and the safety of your account. Anything else only if you agree, and you can change your mind at any time.">
          <ul className={styles.consents}>
            {purposes.map(({ purpose, label, about }) => (
              <li key={purpose}>
                <CheckField label={label} name={purpose} defaultChecked={consents[purpose]?.granted ?? false} />
                <p>
                  {about} <span>{decided(consents[purpose])}</span>
                </p>
              </li>
            ))}
          </ul>
        </Section>
        <Button type="submit" size="large" busy={change.isPending}>
          Save preferences
        </Button>
      </Form>
    </Page>
  )
}

function decided(consent: Chosen['consents'][string] | undefined): string {
  if (!consent?.at) return 'You have not agreed to it.'
  if (consent.granted) return `You agreed on ${formatDay(consent.at)}, to the wording of ${consent.version}.`
  return `You said no on ${formatDay(consent.at)}.`
}
