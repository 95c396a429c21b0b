package HTML::Tagset;

# A stand-in for HTML::Tagset (as of 3.20): sets of elements, as HTML 4.01 (W3C) and the browsers of its time had them.

use strict;
use warnings;

our $VERSION = '3.20';

our (%emptyElement, %optionalEndTag, %linkElements, %boolean_attr, %isPhraseMarkup, %is_Possible_Strict_P_Content, %isHeadElement, %isList,
    %isTableElement, %isFormElement, %isBodyElement, %isHeadOrBodyElement, %isKnown, %canTighten, %isCDATA_Parent, @p_closure_barriers);

sub _set { return map { $_ => 1 } @_ }

# What has no content, and so no end tag; those with ~ are no elements but tokens, as HTML::TreeBuilder names them.
%emptyElement = _set(qw(area base basefont bgsound br col embed frame hr img input isindex link meta param spacer wbr),
    qw(~comment ~declaration ~literal ~pi));
%optionalEndTag = _set(qw(dd dt li p));

# Attributes that are links.
%linkElements = (
    a          => ['href'],
    applet     => ['archive', 'codebase', 'code'],
    area       => ['href'],
    base       => ['href'],
    bgsound    => ['src'],
    blockquote => ['cite'],
    body       => ['background'],
    del        => ['cite'],
    embed      => ['pluginspage', 'src'],
    form       => ['action'],
    frame      => ['src', 'longdesc'],
    head       => ['profile'],
    iframe     => ['src', 'longdesc'],
    ilayer     => ['background'],
    img        => ['src', 'lowsrc', 'longdesc', 'usemap'],
    input      => ['src', 'usemap'],
    ins        => ['cite'],
    isindex    => ['action'],
    layer      => ['background', 'src'],
    link       => ['href'],
    object     => ['classid', 'codebase', 'data', 'archive', 'usemap'],
    q          => ['cite'],
    script     => ['src', 'for'],
    table      => ['background'],
    td         => ['background'],
    th         => ['background'],
    tr         => ['background'],
    xmp        => ['href'],
);

# Attributes that have no value: one, or a set of them.
%boolean_attr = (
    area => 'nohref', dir => 'compact', dl => 'compact', hr => 'noshade', img => 'ismap', menu => 'compact', ol => 'compact',
    option => 'selected', select => 'multiple', td => 'nowrap', th => 'nowrap', ul => 'compact',
    input => { _set(qw(checked readonly disabled)) },
);

%isPhraseMarkup = _set(qw(a abbr acronym b basefont bdo big blink br cite code dfn em embed font i img kbd nobr noembed q s samp small spacer span
    strike strong sub sup tt u var wbr));
%is_Possible_Strict_P_Content = (%isPhraseMarkup, _set(qw(map object script)));
%isHeadElement       = _set(qw(base bgsound isindex link meta object script style title));
%isHeadOrBodyElement = _set(qw(area bgsound isindex map noscript object param script style));
%isList              = _set(qw(dir menu ol ul));
%isTableElement      = _set(qw(caption col colgroup tbody td tfoot th thead tr));
%isFormElement       = _set(qw(button input label optgroup option select textarea));
%isBodyElement       = (
    %isPhraseMarkup, %isHeadOrBodyElement, %isList, %isTableElement, %isFormElement,
    _set(qw(address applet blockquote center dd del div dl dt fieldset form h1 h2 h3 h4 h5 h6 hr iframe ilayer ins legend li listing multicol
        nolayer p plaintext pre table xmp)),
);
delete $isBodyElement{style};
%isKnown = (%isHeadElement, %isBodyElement, _set(qw(body frame frameset head html noframes ~comment ~directive ~literal ~pi)));

# Around what white space means nothing.
%canTighten = %isKnown;
delete @canTighten{ keys %isPhraseMarkup, qw(input listing plaintext pre select xmp) };
$canTighten{br} = 1;

%isCDATA_Parent     = _set(qw(listing plaintext script style xmp));
@p_closure_barriers = qw(li blockquote ul ol menu dir dl dt dd td th tr table caption div);

1;
