/* SPDX-License-Identifier: BSD-3-Clause */
/* A small printf, and the console: one OUT a byte. */
#include "guest/runtime/priv.h"
#include "guest/runtime/rt.h"

#define LINE_MAX   256
#define DIGITS_MAX 24

struct out {
	char *buf;
	size_t size, len; /* len: what a large enough buffer would hold */
};

struct spec {
	bool is_left, is_zero;
	int width, precision; /* precision -1: none */
	unsigned int nr_l;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_padded(struct out *o, const struct spec *sp, const char *s, int len, char pad)
{
	int i;

	for (i = len; !sp->is_left && i < sp->width; i++)
		put(o, pad);
	for (i = 0; i < len; i++)
		put(o, s[i]);
	for (i = len; sp->is_left && i < sp->width; i++)
		put(o, ' ');
}

static void put_string(struct out *o, const struct spec *sp, const char *s)
{
	int len = 0;

	if (!s)
		s = "(null)";
	while ((sp->precision < 0 || len < sp->precision) && s[len])
		len++;
	put_padded(o, sp, s, len, ' ');
}

static void put_number(struct out *o, struct spec *sp, uint64_t v, unsigned int base, bool is_neg)
{
	char digits[DIGITS_MAX];
	int at = DIGITS_MAX;

	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (is_neg && sp->is_zero) {
		put(o, '-');
		sp->width--;
	} else if (is_neg) {
		digits[--at] = '-';
	}
	put_padded(o, sp, digits + at, DIGITS_MAX - at, sp->is_zero && !sp->is_left ? '0' : ' ');
}

static uint64_t arg_unsigned(const struct spec *sp, va_list *ap)
{
	return sp->nr_l ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int);
}

static void put_signed(struct out *o, struct spec *sp, va_list *ap)
{
	long v = sp->nr_l ? va_arg(*ap, long) : va_arg(*ap, int);

	put_number(o, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
}

static void put_spec(struct out *o, struct spec *sp, char c, va_list *ap)
{
	char one;

	switch (c) {
	case 'd':
	case 'i': put_signed(o, sp, ap); break;
	case 'u': put_number(o, sp, arg_unsigned(sp, ap), 10, false); break;
	case 'x': put_number(o, sp, arg_unsigned(sp, ap), 16, false); break;
	case 'p': put_number(o, sp, (uintptr_t)va_arg(*ap, void *), 16, false); break;
	case 's': put_string(o, sp, va_arg(*ap, const char *)); break;
	case 'c':
		one = (char)va_arg(*ap, int);
		put_padded(o, sp, &one, 1, ' ');
		break;
	default: put(o, c); break;
	}
}

static int parse_int(const char **fmt, va_list *ap)
{
	int v = 0;

	if (**fmt == '*') {
		(*fmt)++;
		return va_arg(*ap, int);
	}
	for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
		v = v * 10 + **fmt - '0';
	return v;
}

static void parse_spec(const char **fmt, struct spec *sp, va_list *ap)
{
	*sp = (struct spec){.precision = -1};
	for (;; (*fmt)++) {
		if (**fmt == '-')
			sp->is_left = true;
		else if (**fmt == '0')
			sp->is_zero = true;
		else
			break;
	}
	sp->width = parse_int(fmt, ap);
	if (**fmt == '.') {
		(*fmt)++;
		sp->precision = parse_int(fmt, ap);
	}
	while (**fmt == 'l' || **fmt == 'z') {
		sp->nr_l++;
		(*fmt)++;
	}
}

int rt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {buf, size, 0};
	struct spec sp;
	va_list ap;

	va_copy(ap, args);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		parse_spec(&fmt, &sp, &ap);
		if (!*fmt)
			break;
		put_spec(&o, &sp, *fmt, &ap);
	}
	va_end(ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int rt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = rt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

static void console(const char *s)
{
	for (; *s; s++)
		__asm__ volatile("outb %0, %1" ::"a"(*s), "Nd"((uint16_t)NETHV_PORT_SERIAL));
}

void rt_printf(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	rt_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	console(line);
}

void rt_panic(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	rt_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	rt_report_message("%s", line);
	rt_report_state(NETHV_STATE_FAILED);
	console("panic: ");
	console(line);
	console("\n");
	rt_exit(1);
}
