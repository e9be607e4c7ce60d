import { useId, useState } from 'react'
import { sentence } from '@/api/client'
import { imageAddress, sized } from '@/api/images'
import { Button } from '@/ui/Button'
import { ChevronIcon, CrossIcon } from '@/ui/icons'
import { Picture } from '@/ui/Picture'
import { useUploadImage } from './catalogQueries'
import styles from './ImageField.module.css'

interface Props {
  label: string
  /** Names of pictures, the main one first. */
  value: string[]
  onChange: (change: (images: string[]) => string[]) => void
  /** Whether there can be more than one. */
  multiple?: boolean
}

interface Sending {
  id: string
  file: string
  preview?: string
  part: number
  error?: string
}

/** Pictures that are shown, put in order, taken away, and sent to the shop as soon as they are chosen. */
export function ImageField({ label, value, onChange, multiple = false }: Props) {
  const id = useId()
  const [sending, setSending] = useState<Sending[]>([])
  const { mutateAsync } = useUploadImage()
  const update = (one: string, change: Partial<Sending>) => setSending((all) => all.map((each) => (each.id === one ? { ...each, ...change } : each)))
  const forget = (one: string) => setSending((all) => all.filter((each) => each.id !== one))

  async function send(file: File) {
    const one = crypto.randomUUID()
    setSending((all) => [...all, { id: one, file: file.name, part: 0 }])
    void preview(file).then((address) => update(one, { preview: address }))
    try {
      const { name } = await mutateAsync({ file, onProgress: (part) => update(one, { part }) })
      onChange((images) => (multiple ? [...images.filter((other) => other !== name), name] : [name]))
      forget(one)
    } catch (error) {
      update(one, { error: sentence(error) })
    }
  }

  const move = (index: number, by: number) =>
    onChange((images) => {
      const next = [...images]
      const [one = ''] = next.splice(index, 1)
      next.splice(index + by, 0, one)
      return next
    })

  return (
    <fieldset className={styles.field}>
      <legend>{label}</legend>
      {value.length > 0 && (
        <ol aria-label={label} className={styles.images}>
          {value.map((image, index) => (
            <li key={image}>
              <Picture {...sized(imageAddress(image))} alt={`Picture ${index + 1}`} tint={image} size="small" />
              {multiple && index === 0 && <span className={styles.main}>Main</span>}
              <div className={styles.actions}>
                {index > 0 && (
                  <Button look="quiet" aria-label={`Move picture ${index + 1} forward`} onClick={() => move(index, -1)}>
                    <ChevronIcon back />
                  </Button>
                )}
                <Button look="quiet" aria-label={`Remove picture ${index + 1}`} onClick={() => onChange((images) => images.filter((other) => other !== image))}>
                  <CrossIcon />
                </Button>
                {index < value.length - 1 && (
                  <Button look="quiet" aria-label={`Move picture ${index + 1} back`} onClick={() => move(index, 1)}>
                    <ChevronIcon />
                  </Button>
                )}
              </div>
            </li>
          ))}
        </ol>
      )}
      {sending.length > 0 && (
        <ul aria-label="Pictures on their way" className={styles.sending}>
          {sending.map(({ id: one, file, preview: address, part, error }) => (
            <li key={one} data-failed={error ? true : undefined}>
              {address && <img src={address} alt="" width={48} height={48} />}
              <div>
                <p>{file}</p>
                {error ? <p role="alert">{error}</p> : <progress aria-label={`Sending ${file}`} max={1} value={part} />}
              </div>
              {error && (
                <Button look="quiet" aria-label={`Forget ${file}`} onClick={() => forget(one)}>
                  <CrossIcon />
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
      <label htmlFor={id} className={styles.add}>
        {multiple ? 'Add pictures' : value.length > 0 ? 'Replace the picture' : 'Add a picture'}
        <input
          id={id}
          type="file"
          accept="image/jpeg,image/png,image/webp,image/gif"
          multiple={multiple}
          onChange={(event) => {
            for (const file of event.target.files ?? []) void send(file)
            event.target.value = ''
          }}
        />
      </label>
      <p className={styles.hint}>JPEG, PNG, WebP or GIF, up to 10 MiB each.</p>
    </fieldset>
  )
}

/** A file as an address that the page may show, which one of its memory (`blob:`) is not. */
function preview(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(String(reader.result)))
    reader.addEventListener('error', () => reject(reader.error ?? new Error('unreadable')))
    reader.readAsDataURL(file)
  })
}
