import { useFieldError } from './Form'
import { Star } from './Rating'
import styles from './StarField.module.css'

const stars = [1, 2, 3, 4, 5]

/** A choice of one to five stars. Its error comes from the form around it. */
export function StarField({ label, name, defaultValue }: { label: string; name: string; defaultValue?: number | undefined }) {
  const error = useFieldError(name)
  return (
    <fieldset className={styles.field} aria-describedby={error ? `${name}-error` : undefined}>
      <legend>{label}</legend>
      <div className={styles.stars}>
        {stars.map((star) => (
          <label key={star} data-name={label}>
            <input type="radio" name={name} value={star} required defaultChecked={star === defaultValue} />
            <span className="visually-hidden">
              {star} {star === 1 ? 'star' : 'stars'}
            </span>
            <Star />
          </label>
        ))}
      </div>
      {error && (
        <p id={`${name}-error`} className={styles.error}>
          {error}
        </p>
      )}
    </fieldset>
  )
}
