import { describe, expect, it } from 'vitest'
import type { Coupon } from '@/api/types'
import { couponValues, newCoupon, readCoupon } from './couponForm'

const limits = { minimum: null, validFrom: null, validUntil: null, maxUses: 0, maxUsesPerCustomer: 0 }

describe('readCoupon', () => {
  it('reads a percentage in hundredths of it', () => {
    expect(readCoupon({ code: 'spring', description: 'Spring', percent: '12,5', active: 'yes' }, 'percent')).toEqual({
      coupon: { code: 'SPRING', kind: 'percent', description: 'Spring', active: true, percentBasisPoints: 1250, ...limits },
    })
  })

  it('reads amounts by currency, in their own minor units', () => {
    expect(readCoupon({ code: 'FIVE', 'amounts.EUR': '5', 'amounts.JPY': '800', 'minimum.EUR': '49.99', maxUses: '100' }, 'amount')).toMatchObject({
      coupon: { amounts: { EUR: 500, JPY: 800 }, minimum: { EUR: 4999 }, maxUses: 100, maxUsesPerCustomer: 0 },
    })
  })

  it('leaves out what another kind would need', () => {
    const read = readCoupon({ code: 'FREE', percent: '10', 'amounts.EUR': '5' }, 'free-shipping')
    expect(read).toHaveProperty('coupon')
    expect(read).not.toHaveProperty('coupon.percentBasisPoints')
    expect(read).not.toHaveProperty('coupon.amounts')
  })

  it.each([
    [{ percent: '' }, 'percent', 'percent'],
    [{ percent: '0' }, 'percent', 'percent'],
    [{ percent: '100.01' }, 'percent', 'percent'],
    [{ percent: '12.345' }, 'percent', 'percent'],
    [{}, 'amount', 'amounts.EUR'],
    [{ 'amounts.JPY': '1.5' }, 'amount', 'amounts.JPY'],
    [{ 'amounts.USD': '0', 'amounts.EUR': '1' }, 'amount', 'amounts.USD'],
    [{ maxUses: '0' }, 'free-shipping', 'maxUses'],
    [{ maxUsesPerCustomer: 'once' }, 'free-shipping', 'maxUsesPerCustomer'],
    [{ validFrom: '2030-02-01T00:00', validUntil: '2030-01-01T00:00' }, 'free-shipping', 'validUntil'],
  ] as const)('refuses %j of kind %s at %s', (values, kind, field) => {
    expect(readCoupon({ ...values }, kind)).toHaveProperty('refused', { [field]: expect.any(String) })
  })
})

it('sends a new coupon without the limits it does not have', () => {
  expect(newCoupon({ code: 'A', kind: 'free-shipping', description: '', active: true, ...limits, maxUses: 3 })).toEqual({ code: 'A', kind: 'free-shipping', description: '', active: true, maxUses: 3, maxUsesPerCustomer: 0 })
})

it('gives back what it was filled with', () => {
  const coupon: Coupon = {
    code: 'SPRING', kind: 'percent', description: 'Spring', percentBasisPoints: 1000, minimum: { EUR: 2500, JPY: 3000 },
    validFrom: '2030-03-01T08:30:00.000Z', validUntil: '2030-06-01T08:30:00.000Z', maxUses: 500, maxUsesPerCustomer: 1, active: false, uses: 7,
  }
  const { uses, ...rest } = coupon
  expect(uses).toBe(7)
  expect(couponValues(coupon).percent).toBe('10')
  expect(readCoupon({ ...couponValues(coupon), code: 'SPRING' }, 'percent')).toEqual({ coupon: rest })
})
