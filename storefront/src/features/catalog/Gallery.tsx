import { useState, type KeyboardEvent } from 'react'
import { sized } from '@/api/images'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { ChevronIcon } from '@/ui/icons'
import { Picture } from '@/ui/Picture'
import styles from './Gallery.module.css'

interface Props {
  images: string[]
  /** What the pictures show. */
  name: string
  tint: string
}

/** A product's pictures: one large, the others to choose from, each to be enlarged. The arrow keys go through them. */
export function Gallery({ images, name, tint }: Props) {
  const [at, setAt] = useState(0)
  const [enlarged, setEnlarged] = useState(false)
  const several = images.length > 1
  const step = (by: number) => setAt((at + by + images.length) % images.length)
  const title = several ? `${name}, picture ${at + 1} of ${images.length}` : name

  function press(event: KeyboardEvent) {
    if (!several || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return
    event.preventDefault()
    step(event.key === 'ArrowLeft' ? -1 : 1)
  }

  return (
    <div className={styles.gallery}>
      <button type="button" className={styles.main} aria-label={`Enlarge ${title}`} aria-haspopup="dialog" onClick={() => setEnlarged(true)} onKeyDown={press}>
        <Picture {...sized(images[at])} tint={tint} size="large" eager />
      </button>
      {several && (
        <ul aria-label="Pictures" className={styles.thumbs}>
          {images.map((image, index) => (
            <li key={image}>
              <button type="button" aria-label={`Picture ${index + 1} of ${images.length}`} aria-current={index === at ? 'true' : undefined} onClick={() => setAt(index)} onKeyDown={press}>
                <Picture {...sized(image)} tint={tint} size="small" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {enlarged && (
        <Dialog title={name} wide onClose={() => setEnlarged(false)}>
          {/* The arrow keys are a short cut to the buttons below. */}
          {/* oxlint-disable-next-line jsx-a11y/no-static-element-interactions */}
          <div className={styles.enlarged} onKeyDown={press}>
            <Picture {...sized(images[at])} alt={title} tint={tint} size="full" eager />
            <DialogActions>
              {several && (
                <>
                  <Button look="secondary" aria-label="Picture before" onClick={() => step(-1)}>
                    <ChevronIcon back />
                  </Button>
                  <p role="status">
                    {at + 1} of {images.length}
                  </p>
                  <Button look="secondary" aria-label="Next picture" onClick={() => step(1)}>
                    <ChevronIcon />
                  </Button>
                </>
              )}
              <Button look={several ? 'quiet' : 'secondary'} onClick={() => setEnlarged(false)}>
                Close
              </Button>
            </DialogActions>
          </div>
        </Dialog>
      )}
    </div>
  )
}
