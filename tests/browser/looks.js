// How people look at the pages: on a phone and on a desktop, in light and in dark.

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 900 };

export const looks = [
  { name: 'phone-light', viewport: phone, colorScheme: 'light' },
  { name: 'phone-dark', viewport: phone, colorScheme: 'dark' },
  { name: 'desktop-light', viewport: desktop, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: desktop, colorScheme: 'dark' },
];

export const look = (name) => looks.find((look) => look.name === name);
