const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' })
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 })

export const formatDay = (at: string) => day.format(new Date(at))
export const formatMoment = (at: string) => moment.format(new Date(at))
/** The time of day to the millisecond, for things that happen one after another. */
export const formatClock = (at: string) => clock.format(new Date(at))
